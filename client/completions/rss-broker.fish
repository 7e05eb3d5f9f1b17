# SPDX-License-Identifier: MIT
# Completion of rss-broker for fish.

complete -c rss-broker -f
complete -c rss-broker -l socket -r -F -d 'Listen here'
complete -c rss-broker -l user -x -a '(__fish_complete_users)' -d 'Change to this user'
complete -c rss-broker -l allow-user -x -a '(__fish_complete_users)' -d 'Let this user ask'
complete -c rss-broker -l allow-group -x -a '(__fish_complete_groups)' -d 'Let this group ask'
complete -c rss-broker -l objects -x -a '(__fish_complete_directories)' -d 'More objects'
complete -c rss-broker -l pool -x -d 'Sets kept ready'
complete -c rss-broker -l no-perfmon -d 'Load with CAP_BPF alone'
complete -c rss-broker -l log-level -x -a 'err warning notice info debug' -d 'What is logged'
complete -c rss-broker -l version -d 'Print the version'
complete -c rss-broker -l help -d 'Print the options'

complete -c rss-broker -l max-connections -x -d 'Open connections of all clients'
complete -c rss-broker -l max-unread -x -d 'Replies that an account has yet to read'
complete -c rss-broker -l max-grants -x -d 'Live grants of all clients'
complete -c rss-broker -l memory-percent -x -d 'Percent of the memory limit that clients may use'
complete -c rss-broker -l memory -x -d 'Memory limit if no control group has one'
complete -c rss-broker -l share -x -d 'A uid may hold 1/N of what is left'
complete -c rss-broker -l ended-forgotten -x -d 'KiB of ended grants forgotten in a minute'
complete -c rss-broker -l tokens -x -d 'Tokens an account may spend at once'
complete -c rss-broker -l token-rate -x -d 'Tokens an account gets back in a second'
complete -c rss-broker -l first-request-timeout -x -d 'From connect to the first request'
complete -c rss-broker -l read-reply-timeout -x -d 'Within which a reply must be read'
