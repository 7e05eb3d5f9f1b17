# SPDX-License-Identifier: MIT
# Completion of rssb for fish.  It asks neither the broker nor any VM.

set -l commands attach balance detach doctor export extract hash hotplug info qmp release run status top unplug update
set -l first "not __fish_seen_subcommand_from $commands"
set -l nics '(ls /sys/class/net)'

# STEERING, inside its quotes: the word at the cursor, or the hash type behind the last comma.
function __rssb_steering
    set -l text (string replace -r '^["\']' '' -- (commandline -ct))
    set -l last (string replace -r '.*[ ,]' '' -- $text)
    set -l head (string replace -r '[^ ,]*$' '' -- $text)
    set -l words equal weight table start hkey default-queue hash-types
    switch (string replace -r '.*?(\S*) \S*$' '$1' -- " $text")
        case hash-types
            set words ipv4 tcp4 udp4 ipv6 tcp6 udp6 ip_ex tcp_ex udp_ex all none \
                gre ipip vxlan geneve nvgre gre-udp vxlan-gpe
        case hkey
            set words symmetric
        case equal weight table start default-queue
            return
    end
    string match -- "$last*" $words | string replace -r '^' -- $head
end

complete -c rssb -f
complete -c rssb -s h -l help -d 'Print a short help'
complete -c rssb -n $first -l socket -r -F -d "The broker's socket"
complete -c rssb -n $first -l version -d 'Print the version'

complete -c rssb -n $first -a attach -d 'Put a steering program on a tap'
complete -c rssb -n $first -a balance -d 'Even out the queues of a managed grant'
complete -c rssb -n $first -a detach -d 'Take the steering program off a tap'
complete -c rssb -n $first -a doctor -d 'Why RSS does not work, and what to do'
complete -c rssb -n $first -a export -d 'Write the ELF bytes of a steering object'
complete -c rssb -n $first -a extract -d 'Take the steering object out of a QEMU'
complete -c rssb -n $first -a hash -d 'The hash, the table entry and the queue of a flow'
complete -c rssb -n $first -a hotplug -d 'Plug a NIC with a steering set into a running VM'
complete -c rssb -n $first -a info -d 'What the broker is and which objects it has'
complete -c rssb -n $first -a qmp -d 'A QMP server with request-ebpf'
complete -c rssb -n $first -a release -d 'End a grant'
complete -c rssb -n $first -a run -d 'Start QEMU with steering sets for its devices'
complete -c rssb -n $first -a status -d 'How the broker does, and the grants'
complete -c rssb -n $first -a top -d 'What a grant counts, live'
complete -c rssb -n $first -a unplug -d 'Unplug a NIC of rssb hotplug, and end its grant'
complete -c rssb -n $first -a update -d 'Change the steering of a managed grant'

set -l attach '__fish_seen_subcommand_from attach'
complete -c rssb -n $attach -a $nics
complete -c rssb -n $attach -l fd -x -d 'Use this open queue'
complete -c rssb -n $attach -l wait -x -d 'Seconds, for a busy or restarting broker'
complete -c rssb -n $attach -l managed -d 'Its steering can be changed by rssb update'
complete -c rssb -n $attach -l stats -d 'It counts packets, for rssb top'
complete -c rssb -n $attach -l label -x -d 'A name for the grant'

complete -c rssb -n '__fish_seen_subcommand_from attach hash run update' -a '(__rssb_steering)'

set -l detach '__fish_seen_subcommand_from detach'
complete -c rssb -n $detach -a $nics
complete -c rssb -n $detach -l fd -x -d 'Use this open queue'

set -l doctor '__fish_seen_subcommand_from doctor'
complete -c rssb -n $doctor -l qemu -r -F -d 'A QEMU'
complete -c rssb -n $doctor -l ifname -x -a $nics -d 'A tap'
complete -c rssb -n $doctor -l qmp -r -F -d "A running QEMU's QMP socket"
complete -c rssb -n $doctor -l json -d 'For programs'

set -l export '__fish_seen_subcommand_from export'
complete -c rssb -n $export -l object -x -d 'An id or a name'
complete -c rssb -n $export -l format -x -a 'elf base64 json' -d 'How it is written'
complete -c rssb -n $export -s o -l output -r -F -d 'The file to write'

set -l extract '__fish_seen_subcommand_from extract'
complete -c rssb -n $extract -F
complete -c rssb -n $extract -s o -l output -r -F -d 'The file to write'

set -l hash '__fish_seen_subcommand_from hash'
complete -c rssb -n $hash -l proto -x -a 'tcp udp none' -d 'The protocol'
complete -c rssb -n $hash -l json -d 'For programs'

set -l hotplug '__fish_seen_subcommand_from hotplug'
complete -c rssb -n $hotplug -l qmp -r -F -d "QEMU's QMP socket"
complete -c rssb -n $hotplug -l libvirt -x -d "Through libvirt's monitor"
complete -c rssb -n $hotplug -l netdev -x -d 'A netdev of QEMU, or a name for the new one'
complete -c rssb -n $hotplug -l tap -x -a $nics -d 'A multi-queue tap'
complete -c rssb -n $hotplug -l queues -x -d 'How many of its queues'
complete -c rssb -n $hotplug -l vhost -d 'With vhost=on'
complete -c rssb -n $hotplug -l id -x -d "The device's id"
complete -c rssb -n $hotplug -l device -x -d "The device's type" \
	-a 'virtio-net-pci virtio-net-ccw virtio-net-device'
complete -c rssb -n $hotplug -l prop -x -d 'A further property'
complete -c rssb -n $hotplug -l exact -d "QEMU's own object and no other"
complete -c rssb -n $hotplug -s v -l verbose -d 'Say what is done'

set -l unplug '__fish_seen_subcommand_from unplug'
complete -c rssb -n $unplug -l qmp -r -F -d "QEMU's QMP socket"
complete -c rssb -n $unplug -l libvirt -x -d "Through libvirt's monitor"
complete -c rssb -n $unplug -l id -x -d "The device's id"
complete -c rssb -n $unplug -l netdev -x -d 'Its netdev, where the device is gone already'
complete -c rssb -n $unplug -l wait -x -d 'Seconds for the guest'
complete -c rssb -n $unplug -s v -l verbose -d 'Say what is done'

complete -c rssb -n '__fish_seen_subcommand_from info' -l json -d 'For programs'
complete -c rssb -n '__fish_seen_subcommand_from status' -l json -d 'For programs'
complete -c rssb -n '__fish_seen_subcommand_from status' -l prometheus -d 'For a metrics scraper'

set -l qmp '__fish_seen_subcommand_from qmp'
complete -c rssb -n $qmp -l stdio -d 'One client, on standard input and output'
complete -c rssb -n $qmp -l listen -r -F -d 'Any number of clients, on this socket'

set -l run '__fish_seen_subcommand_from run'
complete -c rssb -n $run -F
complete -c rssb -n $run -l on-demand -d "Answer QEMU's own request for a program"
complete -c rssb -n $run -l optional -d 'Whatever fails: run it unchanged'
complete -c rssb -n $run -l if-needed -d 'No device that needs it is no error'
complete -c rssb -n $run -l rss -d 'rss on where mq is on'
complete -c rssb -n $run -l wait -x -d 'Seconds, for a busy or restarting broker'
complete -c rssb -n $run -l stats -d 'The sets count packets, for rssb top'
complete -c rssb -n $run -l exact -d "QEMU's own object and no other"
complete -c rssb -n $run -l no-probe -d 'Do not ask QEMU for its property types'
complete -c rssb -n $run -l no-vhost -d 'Vhost off where QEMU would use no set with it'
complete -c rssb -n $run -l qemu -d 'The first word is QEMU'
complete -c rssb -n $run -s v -l verbose -d 'Say what is done'
complete -c rssb -n $run -l host-steering -x -a '(__rssb_steering)' -d 'For guests that ask for no RSS'
complete -c rssb -n $run -l steering -x -a '(__rssb_steering)' -d 'For any other program'

set -l balance '__fish_seen_subcommand_from balance'
complete -c rssb -n $balance -s e -l every -x -d 'Seconds of a round'
complete -c rssb -n $balance -l once -d 'One round, and a look at what it did'
complete -c rssb -n $balance -l dry-run -d 'Only say what would be moved'
complete -c rssb -n $balance -s j -l json -d 'One JSON object a round'
complete -c rssb -n $balance -s v -l verbose -d 'Each move, too'

set -l top '__fish_seen_subcommand_from top'
complete -c rssb -n $top -l json -d 'One JSON object a line'
complete -c rssb -n $top -s i -l interval -x -d 'Seconds between two looks'
complete -c rssb -n $top -s n -l count -x -d 'End after so many looks'
