# SPDX-License-Identifier: MIT
# Completion of rssb for bash.  It asks neither the broker nor any VM.

_rssb_commands='attach balance detach doctor export extract hash hotplug info qmp release run status top unplug update'

# The options of a command, or those before any.
_rssb_options()
{
	case $1 in
	attach) echo --fd --wait --managed --stats --label --help ;;
	balance) echo --every --once --dry-run --json --verbose --help ;;
	detach) echo --fd --help ;;
	doctor) echo --qemu --ifname --qmp --json --help ;;
	export) echo --object --format --output --help ;;
	extract) echo --output --help ;;
	hash) echo --proto --json --help ;;
	hotplug)
		echo --qmp --libvirt --netdev --tap --queues --vhost --id --device --prop --exact \
			--verbose --help
		;;
	info) echo --json --help ;;
	status) echo --json --prometheus --help ;;
	qmp) echo --stdio --listen --help ;;
	release | update) echo --help ;;
	run)
		echo --on-demand --optional --if-needed --rss --wait --stats --exact --no-probe \
			--no-vhost --qemu --verbose --host-steering --steering --help
		;;
	unplug) echo --qmp --libvirt --id --netdev --wait --verbose --help ;;
	top) echo --json --interval --count --help ;;
	'') echo --socket --version --help ;;
	esac
}

# What compgen finds for the word at the cursor becomes the reply.
_rssb_reply()
{
	mapfile -t COMPREPLY < <(compgen "$@" -- "${COMP_WORDS[COMP_CWORD]}")
}

_rssb_files()
{
	compopt -o filenames 2>/dev/null
	_rssb_reply "$@"
}

# The value of the option before the cursor, of this command; fails if that takes none.
_rssb_value()
{
	case $1 in
	--socket | --output | -o | --qmp | --listen) _rssb_files -f ;;
	--qemu)
		# Of rssb run it takes no value.
		[[ $2 == doctor ]] || return 1
		_rssb_files -c -f
		;;
	--tap | --ifname) _rssb_reply -W "$(ls /sys/class/net)" ;;
	--format) _rssb_reply -W 'elf base64 json' ;;
	--proto) _rssb_reply -W 'tcp udp none' ;;
	--device) _rssb_reply -W 'virtio-net-pci virtio-net-ccw virtio-net-device' ;;
	--fd | --wait | --label | --object | --libvirt | --netdev | --queues | --id | --prop | \
		--interval | -i | --every | -e | --count | -n | --host-steering | --steering) ;;
	*) return 1 ;;
	esac
}

# A word that is no option and no option's value.
_rssb_word()
{
	case $1 in
	'') _rssb_reply -W "$_rssb_commands" ;;
	attach | detach) _rssb_reply -W "$(ls /sys/class/net)" ;;
	extract) _rssb_files -c -f ;;
	esac
}

# STEERING, inside its quotes: the word at the cursor, or the hash type behind the last comma.
_rssb_steering()
{
	local text=${COMP_WORDS[COMP_CWORD]:1} words='equal weight table start hkey default-queue hash-types'
	local last=${text##* } head before i

	head=${text%"$last"}
	read -ra before <<<"STEERING $head"
	case ${before[-1]} in
	hash-types)
		words='ipv4 tcp4 udp4 ipv6 tcp6 udp6 ip_ex tcp_ex udp_ex all none gre ipip vxlan geneve nvgre gre-udp vxlan-gpe'
		[[ $last != *,* ]] || head+=${last%,*},
		last=${last##*,}
		;;
	hkey) words=symmetric ;;
	equal | weight | table | start | default-queue) words='' ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$last")
	for i in "${!COMPREPLY[@]}"; do
		COMPREPLY[i]=$head${COMPREPLY[i]}
	done
}

# What follows -- is another program's.
_rssb_program()
{
	_rssb_files -c -f
}

_rssb()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command='' i

	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--socket) ((i++)) ;;
		--) _rssb_program && return ;;
		-*) ;;
		*) command=${command:-${COMP_WORDS[i]}} ;;
		esac
	done
	case $command$cur in
	attach[\"\']* | hash[\"\']* | run[\"\']* | update[\"\']*) _rssb_steering && return ;;
	esac
	_rssb_value "$prev" "$command" && return
	if [[ $cur == -* ]]; then
		_rssb_reply -W "$(_rssb_options "$command")"
	else
		_rssb_word "$command"
	fi
}

complete -F _rssb rssb
