# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# To be sourced: fetches and unpacks Debian packages of any release without
# installing them.  Each suite has an apt of its own under build/apt, with its
# own lists, cache and (empty) status; the host's mirror and keyring are used.
# It must never write outside build/.
#
#   private_apt_host_release             the codename of this Debian
#   private_apt_fetch SUITE PACKAGE...   downloads them with all dependencies, prints the .debs
#   private_apt_depends SUITE PACKAGE    the names of its direct dependencies
#   private_apt_fetch_depends SUITE PACKAGE PATTERN
#                                        downloads the direct dependency of that name alone
#   private_apt_fetch_alone SUITE PACKAGE   downloads it without any dependency
#
# The packages are those of amd64, unless private_apt_arch names another architecture.

private_apt_root=$PWD/build/apt
private_apt_arch=amd64

# Where the apt of a suite is.
private_apt_dir() {
	local arch=${private_apt_arch#amd64}

	echo "$private_apt_root/$1${arch:+-$arch}"
}

private_apt_host_release() {
	# shellcheck disable=SC1091
	(. /etc/os-release && echo "${VERSION_CODENAME:-unknown}")
}

# The mirror that this machine already uses for its own release.
# shellcheck disable=SC2016 # apt's fields, not the shell's variables
private_apt_mirror() {
	local mirror

	mirror=$(apt-get indextargets --format '$(TARGET_OF) $(COMPONENT) $(RELEASE) $(REPO_URI)' |
		awk -v r="$(private_apt_host_release)" \
			'$1 == "deb" && $2 == "main" && $3 == r { print $4; exit }')
	if [ -z "$mirror" ]; then
		echo "private_apt: no mirror of Debian's main archive is configured here" >&2
		return 1
	fi
	echo "$mirror"
}

private_apt_sources() {
	local suite=$1 mirror option=arch=$private_apt_arch keyring

	mirror=$(private_apt_mirror) || return 1
	for keyring in /usr/share/keyrings/debian-archive-keyring.{pgp,gpg}; do
		[ -e "$keyring" ] && option+=" signed-by=$keyring" && break
	done
	echo "deb [$option] $mirror ${suite%-backports} main"
	[ "${suite%-backports}" = "$suite" ] || echo "deb [$option] $mirror $suite main"
}

# The host's apt.conf stays in force (a proxy may be in it), but none of its hooks.
private_apt_config() {
	local dir=$1

	cat <<-CONF
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
		#clear DPkg::Post-Invoke;
		#clear APT::Default-Release;
		APT::Architecture "$private_apt_arch";
		APT::Architectures "$private_apt_arch";
		APT::Install-Recommends "false";
		APT::Sandbox::User "";
		Acquire::Languages "none";
		Acquire::IndexTargets::deb::DEP-11 { DefaultEnabled "false"; };
		Acquire::Retries "3";
		Dir::State "$dir";
		Dir::State::status "$dir/status";
		Dir::State::extended_states "$dir/extended_states";
		Dir::Cache "$dir/cache";
		Dir::Cache::archives "$private_apt_root/archives";
		Dir::Etc::sourcelist "$dir/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		Dir::Etc::preferences "/dev/null";
		Dir::Etc::preferencesparts "/dev/null";
	CONF
}

# Makes the apt of a suite, unless it is there.  Lists a day old are refreshed:
# the mirror has dropped some of their packages by then.
private_apt_init() {
	local suite=$1 dir

	dir=$(private_apt_dir "$suite")
	[ -z "$(find "$dir/updated" -mmin -1440 2>/dev/null)" ] || return 0
	mkdir -p "$dir/lists/partial" "$dir/cache" "$private_apt_root/archives/partial"
	: >"$dir/status"
	private_apt_sources "$suite" >"$dir/sources.list" || return 1
	private_apt_config "$dir" >"$dir/apt.conf"
	apt-get -c "$dir/apt.conf" -qq update >&2 || return 1
	touch "$dir/updated"
}

# The names of the .debs come from apt, which also checks their hashes.
private_apt_fetch() {
	local suite=$1
	local -a apt=(apt-get -c "$(private_apt_dir "$suite")/apt.conf" -qq -y -t "$suite")

	shift
	private_apt_init "$suite" || return 1
	"${apt[@]}" --download-only install "$@" >&2 || return 1
	# What is in the archives already is not among the URIs to print.
	"${apt[@]}" -o Dir::Cache::archives="$private_apt_root/none" --print-uris install "$@" |
		awk -v dir="$private_apt_root/archives" '/^\x27/ { print dir "/" $2 }'
}

private_apt_depends() {
	private_apt_init "$1" || return 1
	apt-cache -c "$(private_apt_dir "$1")/apt.conf" depends "$2" | sed -n 's/.*Depends: //p'
}

private_apt_fetch_depends() {
	local suite=$1 package=$2 pattern=$3 dependency

	while read -r dependency; do
		# shellcheck disable=SC2053 # a pattern
		[[ $dependency == $pattern ]] && break
	done < <(private_apt_depends "$suite" "$package")
	private_apt_fetch_alone "$suite" "$dependency"
}

private_apt_fetch_alone() {
	local suite=$1 package=$2 conf

	conf=$(private_apt_dir "$suite")/apt.conf
	private_apt_init "$suite" || return 1
	(cd "$private_apt_root/archives" &&
		apt-get -c "$conf" -qq download "$package" >&2) || return 1
	apt-get -c "$conf" -qq --print-uris download "$package" |
		awk -v dir="$private_apt_root/archives" '/^\x27/ { print dir "/" $2 }'
}
