# SPDX-License-Identifier: MIT
# Completion of rss-broker for bash.

_rss_broker_options='--socket --user --allow-user --allow-group --objects --pool --no-perfmon
--log-level --version --help --max-connections --max-unread --max-grants --memory-percent --memory
--share --ended-forgotten --tokens --token-rate --first-request-timeout --read-reply-timeout'

_rss_broker_reply()
{
	mapfile -t COMPREPLY < <(compgen "$@" -- "${COMP_WORDS[COMP_CWORD]}")
}

_rss_broker()
{
	COMPREPLY=()
	case ${COMP_WORDS[COMP_CWORD - 1]} in
	--socket) compopt -o filenames 2>/dev/null && _rss_broker_reply -f ;;
	--objects) compopt -o filenames 2>/dev/null && _rss_broker_reply -d ;;
	--user | --allow-user) _rss_broker_reply -u ;;
	--allow-group) _rss_broker_reply -g ;;
	--log-level) _rss_broker_reply -W 'err warning notice info debug' ;;
	*) _rss_broker_reply -W "$_rss_broker_options" ;;
	esac
}

complete -F _rss_broker rss-broker
