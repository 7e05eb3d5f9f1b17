# SPDX-License-Identifier: MIT
"""Real command lines of QEMU: each a name, the options for rssb run, and QEMU's arguments.

{DISK}, {DIR}: an empty disk image and a directory.  Not one of them gives fds.
"""

PC = ["-M", "pc,accel=tcg", "-m", "64", "-nodefaults"]
Q35 = ["-M", "q35,accel=tcg", "-m", "64", "-nodefaults"]
USER = ["-netdev", "user,id=n0"]
RSS = "virtio-net-pci,netdev=n0,mq=on,vectors=10,rss=on"

# As libvirt 11 writes a q35 guest (its own fds and sockets left out).
LIBVIRT_Q35 = """
-name guest=vm1,debug-threads=on -machine q35,usb=off,vmport=off,dump-guest-core=off,memory-backend=pc.ram,accel=tcg
-cpu qemu64 -m size=131072k -object {"qom-type":"memory-backend-ram","id":"pc.ram","size":134217728}
-overcommit mem-lock=off -smp 2,sockets=2,cores=1,threads=1
-uuid 0a4d6a1c-3d3a-4f8e-9b53-0f9d2f0f4f11 -no-user-config -nodefaults -rtc base=utc,driftfix=slew
-no-shutdown -global ICH9-LPC.disable_s3=1 -global ICH9-LPC.disable_s4=1 -boot strict=on
-device {"driver":"pcie-root-port","port":16,"chassis":1,"id":"pci.1","bus":"pcie.0","multifunction":true,"addr":"0x2"}
-device {"driver":"pcie-root-port","port":17,"chassis":2,"id":"pci.2","bus":"pcie.0","addr":"0x2.0x1"}
-device {"driver":"pcie-root-port","port":18,"chassis":3,"id":"pci.3","bus":"pcie.0","addr":"0x2.0x2"}
-device {"driver":"pcie-root-port","port":19,"chassis":4,"id":"pci.4","bus":"pcie.0","addr":"0x2.0x3"}
-device {"driver":"pcie-root-port","port":20,"chassis":5,"id":"pci.5","bus":"pcie.0","addr":"0x2.0x4"}
-device {"driver":"qemu-xhci","p2":15,"p3":15,"id":"usb","bus":"pci.2","addr":"0x0"}
-device {"driver":"virtio-serial-pci","id":"virtio-serial0","bus":"pci.3","addr":"0x0"}
-blockdev {"driver":"file","filename":"{DISK}","node-name":"libvirt-1-storage","auto-read-only":true,"discard":"unmap"}
-blockdev {"node-name":"libvirt-1-format","read-only":false,"discard":"unmap","driver":"raw","file":"libvirt-1-storage"}
-device {"driver":"virtio-blk-pci","bus":"pci.4","addr":"0x0","drive":"libvirt-1-format","id":"virtio-disk0","bootindex":1}
-netdev {"type":"user","id":"hostnet0"}
-device {"driver":"virtio-net-pci","mq":true,"vectors":10,"rss":true,"netdev":"hostnet0","id":"net0","mac":"52:54:00:8c:b5:11","bus":"pci.1","addr":"0x0"}
-chardev null,id=charserial0 -device {"driver":"isa-serial","chardev":"charserial0","id":"serial0","index":0}
-chardev null,id=charchannel0
-device {"driver":"virtserialport","bus":"virtio-serial0.0","nr":1,"chardev":"charchannel0","id":"channel0","name":"org.qemu.guest_agent.0"}
-device {"driver":"usb-tablet","id":"input0","bus":"usb.0","port":"1"}
-audiodev {"id":"audio1","driver":"none"} -global ICH9-LPC.noreboot=off -watchdog-action reset
-device {"driver":"virtio-balloon-pci","id":"balloon0","bus":"pci.5","addr":"0x0"}
-object {"qom-type":"rng-random","id":"objrng0","filename":"/dev/urandom"}
-msg timestamp=on
"""

# As libvirt 6 writes an i440fx guest: everything is k=v.
LIBVIRT_PC_KV = """
-name guest=vm2,debug-threads=on -machine pc,accel=tcg,usb=off,dump-guest-core=off -cpu qemu64
-m 128 -overcommit mem-lock=off -smp 2,sockets=2,cores=1,threads=1
-uuid 5d2b5a8e-18b1-4a39-8e8e-6c6a5b7f3f9d -no-user-config -nodefaults -rtc base=utc,driftfix=slew
-global kvm-pit.lost_tick_policy=delay -no-shutdown
-global PIIX4_PM.disable_s3=1 -global PIIX4_PM.disable_s4=1 -boot strict=on
-device ich9-usb-ehci1,id=usb,bus=pci.0,addr=0x5.0x7
-device ich9-usb-uhci1,masterbus=usb.0,firstport=0,bus=pci.0,multifunction=on,addr=0x5
-device ich9-usb-uhci2,masterbus=usb.0,firstport=2,bus=pci.0,addr=0x5.0x1
-device ich9-usb-uhci3,masterbus=usb.0,firstport=4,bus=pci.0,addr=0x5.0x2
-device virtio-scsi-pci,id=scsi0,bus=pci.0,addr=0x8
-device virtio-serial-pci,id=virtio-serial0,bus=pci.0,addr=0x6
-drive file={DISK},format=raw,if=none,id=drive-virtio-disk0,cache=none,read-only=on
-device virtio-blk-pci,bus=pci.0,addr=0x7,drive=drive-virtio-disk0,id=virtio-disk0,bootindex=1,write-cache=on
-netdev user,id=hostnet0
-device virtio-net-pci,tx=bh,ioeventfd=on,event_idx=off,mq=on,vectors=10,rss=on,netdev=hostnet0,id=net0,mac=52:54:00:2e:e7:01,bus=pci.0,addr=0x3
-chardev null,id=charserial0 -device isa-serial,chardev=charserial0,id=serial0
-chardev null,id=charchannel0
-device virtserialport,bus=virtio-serial0.0,nr=1,chardev=charchannel0,id=channel0,name=org.qemu.guest_agent.0
-device usb-tablet,id=input0,bus=usb.0,port=1
-device cirrus-vga,id=video0,bus=pci.0,addr=0x2
-device virtio-balloon-pci,id=balloon0,bus=pci.0,addr=0x9
-object rng-random,id=objrng0,filename=/dev/urandom
-device virtio-rng-pci,rng=objrng0,id=rng0,max-bytes=1024,period=1000,bus=pci.0,addr=0xa
-msg timestamp=on
"""

COMMAND_LINES = [
    ("one", [], [*PC, *USER, "-device", RSS]),
    ("driver last", [], [*PC, *USER, "-device", "rss=on,netdev=n0,id=net0,driver=virtio-net-pci"]),
    ("two dashes", [], [*PC, *USER, "--device", RSS + ",id=net0"]),
    ("net, then rng: slots 2 and 3", [], [*PC, *USER, "-device", RSS, "-device", "virtio-rng-pci"]),
    ("two nets among others", [], [
        *PC, *USER, "-netdev", "user,id=n1", "-device", "virtio-rng-pci", "-device", RSS,
        "-device", "e1000,netdev=n1", "-device", "virtio-net,rss=on,mac=52:54:00:00:00:07",
        "-device", "virtio-balloon"]),
    ("json before kv", [], [
        *PC, *USER, "-device", '{"driver":"virtio-rng-pci"}', "-device", RSS,
        "-device", '{"driver":"virtio-balloon-pci","id":"b"}', "-device", "edu"]),
    ("json needs fds, kv does not", [], [
        *PC, *USER, "-device", "virtio-rng-pci", "-device",
        '{"driver": "virtio-net-pci", "netdev": "n0", "mq": true, "rss": true}',
        "-device", "edu"]),
    ("kv and json need fds", [], [
        *PC, *USER, "-netdev", "user,id=n1", "-device",
        "{'driver':'virtio-net-pci','netdev':'n1','rss':true}", "-device", RSS]),
    ("global", [], [
        *PC, *USER, "-global", "virtio-net-pci.rss=on", "-device", "virtio-net-pci,netdev=n0",
        "-device", "virtio-net-pci,rss=off"]),
    ("global in full", [], [
        *PC, *USER, "-global", "driver=virtio-net-device,property=rss,value=on",
        "-device", "virtio-net-pci-non-transitional,netdev=n0,mq=on"]),
    ("set", [], [
        *PC, *USER, "-device", "virtio-net-pci,netdev=n0,id=net0", "-device", "edu,id=e",
        "-set", "device.net0.rss=on", "-set", "device.e.addr=0x1a", "-set", "device.net0.mq=y"]),
    ("--rss", ["--rss"], [
        *PC, *USER, "-netdev", "user,id=n1", "-netdev", "user,id=n2", "-device",
        "virtio-net-pci,netdev=n0,mq=on", "-device", "virtio-net-pci,netdev=n1,mq=on,rss=off",
        "-device", "virtio-net-pci,netdev=n2"]),
    ("virtio drives take slots after the devices", [], [
        *PC, *USER, "-drive", "if=virtio,file={DISK},format=raw,read-only=on", "-device", RSS,
        "-drive", "file={DISK},if=virtio,index=5,format=raw,snapshot=on", "-device", "edu",
        "-device", '{"driver":"virtio-rng-pci"}',
        "-drive", "if=virtio,file={DISK},format=raw,id=mine,read-only=on",
        "-drive", "if=virtio,file={DISK},format=raw,read-only=on"]),
    ("virtfs", [], [
        *PC, *USER, "-device", "edu", "-virtfs",
        "local,path={DIR},mount_tag=share,security_model=none,readonly=on", "-device", RSS,
        "-virtfs", "local,id=fs1,path={DIR},mount_tag=share2,security_model=mapped-xattr"]),
    ("aliases", [], [
        *PC, *USER, "-device", "ahci,id=sata", "-device", "virtio-net,netdev=n0,rss=on",
        "-device", "virtio-scsi,num_queues=0x2", "-device", "e1000-82540em",
        "-device", "virtio-serial", "-device", "lsi", "-device", "virtio-keyboard"]),
    ("shorthands and notations", [], [
        *PC, *USER, "-device",
        "virtio-net-pci,netdev=n0,mq,rss,noctrl_vlan,mac=52:54:00:12:34:99,vectors=0x0a,"
        "host_mtu=010,speed=10000,duplex=full,tx_queue_size=256,rx_queue_size=512,"
        "disable-legacy=on,iommu_platform=yes,packed=true,event_idx=n,romfile=,rombar=0,"
        "x-txburst=-5,bootindex=3,multifunction=on,addr=0x7.0x0,x-max-bounce-buffer-size=8K",
        "-device", "edu,addr=7.1,dma_mask=0xffffffffffffff"]),
    ("the last value and the first id", [], [
        *PC, *USER, "-device", "virtio-net-pci,rss=off,netdev=n0,id=a,vectors=4,rss=on,vectors=6"]),
    ("commas and quotes in values", [], [
        *PC, *USER, "-drive", "if=none,id=d0,file={DISK},format=raw,read-only=on", "-device",
        'virtio-blk-pci,drive=d0,serial=a,,b"c\\d/e', "-device", RSS]),
    ("root ports", [], [
        *Q35, *USER,
        "-device", "pcie-root-port,id=rp0,multifunction=on,bus=pcie.0,addr=0x3,chassis=1",
        "-device", "pcie-root-port,id=rp1,port=0x1,addr=0x3.0x1,bus=pcie.0,chassis=2,io-reserve=4K,"
        "mem-reserve=1.5M,pref64-reserve=0x200000,x-speed=16,x-width=32,hotplug=off",
        "-device", RSS + ",bus=rp1,addr=0x0", "-device", "qemu-xhci,id=usb1,bus=rp0,addr=0x0,p2=15",
        "-device", "usb-tablet,bus=usb1.0,port=1", "-device", "usb-kbd,bus=usb1.0"]),
    ("disks", [], [
        *Q35, *USER, "-blockdev", "null-co,node-name=b0,size=1048576,read-zeroes=on",
        "-blockdev", "null-co,node-name=b1,size=1048576,read-zeroes=on",
        "-blockdev", "null-co,node-name=b2,size=1048576,read-zeroes=on",
        "-device", "virtio-scsi-pci,id=scsi0,cmd_per_lun=64",
        "-device", "scsi-hd,drive=b0,bus=scsi0.0,scsi-id=0,lun=3,wwn=0x5000c500a1b2c3d4,serial=007,"
        "logical_block_size=512,physical_block_size=4k,discard_granularity=1M,rotation_rate=1",
        "-device", "nvme,drive=b1,serial=deadbeef,max_ioqpairs=0x8,mdts=5",
        "-device", "ide-hd,drive=b2,bus=ide.1,unit=0,ver=2.5+,model=a model",
        "-device", "ide-cd,bus=ide.2", "-device", RSS]),
    ("memory", [], [
        "-M", "q35,accel=tcg", "-nodefaults", "-m", "64M,slots=4,maxmem=1G", *USER,
        "-object", "memory-backend-ram,id=m0,size=64M", "-device", "pc-dimm,id=dimm0,memdev=m0",
        "-object", "memory-backend-ram,id=m1,size=256M",
        "-device", "virtio-mem-pci,id=vm0,memdev=m1,requested-size=128M,block-size=4M",
        "-object", "memory-backend-ram,id=m2,size=1M,share=on", "-device",
        "ivshmem-plain,memdev=m2,master=on", "-device", RSS]),
    ("old and odd devices", [], [
        *PC, *USER, "-chardev", "null,id=c0", "-chardev", "null,id=c1", "-device",
        "isa-serial,index=1,iobase=0x2f8,irq=3,chardev=c0", "-device",
        "isa-debugcon,iobase=0x402,chardev=c1", "-device", "pvpanic,ioport=0x505",
        "-device", "ipmi-bmc-sim,id=bmc0,slave_addr=0x20", "-device", "isa-ipmi-kcs,bmc=bmc0",
        "-device", "i6300esb", "-device", "pci-bridge,id=br0,chassis_nr=1,shpc=off",
        "-audiodev", "none,id=snd", "-device", "intel-hda,id=hda,msi=auto",
        "-device", "hda-duplex,audiodev=snd,cad=1", "-device", "vmcoreinfo", "-device", RSS]),
    ("iommu and a hot-pluggable cpu", [], [
        "-M", "q35,accel=tcg,kernel-irqchip=split", "-m", "64", "-nodefaults", *USER,
        "-smp", "1,sockets=2,maxcpus=2", "-device", "intel-iommu,intremap=on,device-iotlb=on,aw-bits=48",
        "-device", "qemu64-x86_64-cpu,socket-id=1,core-id=0,thread-id=0",
        "-device", RSS + ",ats=on,iommu_platform=on,disable-legacy=on"]),
    ("defaults", [], ["-M", "pc,accel=tcg", "-m", "64", *USER, "-device", RSS]),
    ("defaults, a display and a disk", [], [
        "-M", "pc,accel=tcg", "-m", "64", *USER, "-device", "VGA,vgamem_mb=32,xres=800",
        "-device", RSS, "-hda", "{DISK}", "-snapshot", "-serial", "null", "-parallel", "none"]),
    ("a nic of the old kind", [], [
        *PC, "-nic", "user,model=virtio-net-pci", *USER, "-device", RSS, "-nographic",
        "-monitor", "none", "-serial", "none"]),
    ("text that looks like a device", [], [
        *PC, *USER, "-name", "-device", "-device", RSS, "-fw_cfg", "name=opt/x,string=-device"]),
    ("microvm", [], [
        "-M", "microvm,accel=tcg", "-m", "64", "-nodefaults", *USER, "-device",
        "virtio-net-device,netdev=n0,rss=on", "-device", "virtio-rng-device"]),
    ("transitional", [], [
        *PC, *USER, "-device", "virtio-net-pci-transitional,netdev=n0,mq=on,rss=on,vectors=4"]),
    ("libvirt, JSON", [], LIBVIRT_Q35.split()),
    ("libvirt, k=v", [], LIBVIRT_PC_KV.split()),
]  # fmt: skip
