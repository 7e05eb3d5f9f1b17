# SPDX-License-Identifier: MIT
# Completion of rss-broker for fish.

complete -c rss-broker -f
complete -c rss-broker -l socket -r -F -d 'Listen here'
complete -c rss-broker -l user -x -a '(__fish_complete_users)' -d 'Change to this user'
complete -c rss-broker -l allow-user -x -a '(__fish_complete_users)' -d 'Let this user ask'
complete -c rss-broker -l allow-group -x -a '(__fish_complete_groups)' -d 'Let its members ask'
complete -c rss-broker -l objects -x -a '(__fish_complete_directories)' -d 'More objects'
complete -c rss-broker -l pool -x -d 'Sets kept ready'
complete -c rss-broker -l no-perfmon -d 'Load with CAP_BPF alone'
complete -c rss-broker -l log-level -x -a 'err warning notice info debug' -d 'What is logged'
complete -c rss-broker -l version -d 'Print the version'
complete -c rss-broker -l help -d 'Print the options'

complete -c rss-broker -l max-connections -x -d 'Connections in all'
complete -c rss-broker -l max-unread -x -d 'Unread replies of an account'
complete -c rss-broker -l max-grants -x -d 'Live grants in all'
complete -c rss-broker -l memory-percent -x -d 'Of the memory limit, for clients'
complete -c rss-broker -l memory -x -d 'Where its control group has no limit'
complete -c rss-broker -l share -x -d 'A uid holds one part in N of what is left'
complete -c rss-broker -l ended-forgotten -x -d 'KiB a minute, of ended grants'
complete -c rss-broker -l tokens -x -d 'That an account may spend at once'
complete -c rss-broker -l token-rate -x -d 'That it gets back in a second'
complete -c rss-broker -l first-request-timeout -x -d 'To the first request'
complete -c rss-broker -l read-reply-timeout -x -d 'To read a reply'
