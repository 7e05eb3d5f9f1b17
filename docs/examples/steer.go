// SPDX-License-Identifier: MIT

// Steers a multi-queue tap by hash, without any privilege and with a socket alone.
//
//	go run steer.go IFNAME QUEUES
//
// Opens the tap's queues, as a VMM does, asks rss-broker for a program that
// nobody can change any more, attaches it, and prints for each packet the queue
// that it came in on.  docs/protocol.md has every number in here.
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

const (
	tunSetIff          = 0x400454ca
	tunSetSteeringEBPF = 0x800454e0
	iffTap             = 0x0002
	iffMultiQueue      = 0x0100
	iffNoPI            = 0x1000

	magic       = 0x42535352
	version     = 1
	opAcquire   = 3
	opReply     = 0x8000
	programOnly = 2
	byABI       = 0
	qemuRSS1    = 1
	hashTypes   = 0x3f // IPv4, TCP and UDP over it, and the same for IPv6
)

type header struct {
	Magic       uint32
	Version, Op uint16
	Length, Tag uint32
}

type acquireRequest struct {
	Header      header
	Kind, Flags uint16
	_           [4]byte
	By, ABI     uint16
	_           [4]byte
	ObjectID    [32]byte
	Label       [16]byte

	HashTypes            uint32
	Queues, DefaultQueue uint16
	TableLen, KeyLen     uint16
	_                    [4]byte
	Key                  [40]byte
	Table                [128]uint16
}

type replyHead struct {
	Header       header
	Status, NFds uint16
	RetryMs      uint32
	Roles        [8]byte
	Reason       [160]byte
}

type acquireReply struct {
	Head     replyHead
	GrantID  uint64
	ObjectID [32]byte
}

// connect gives every later send and receive five seconds.
func connect() (int, error) {
	path := os.Getenv("RSSB_SOCKET")
	if path == "" {
		path = "/run/rss-broker/rss-broker.sock"
	}
	sock, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	limit := syscall.Timeval{Sec: 5}
	for _, option := range []int{syscall.SO_SNDTIMEO, syscall.SO_RCVTIMEO} {
		if err := syscall.SetsockoptTimeval(sock, syscall.SOL_SOCKET, option, &limit); err != nil {
			return -1, err
		}
	}
	if err := syscall.Connect(sock, &syscall.SockaddrUnix{Name: path}); err != nil {
		return -1, fmt.Errorf("%s: %w", path, err)
	}
	return sock, nil
}

// receive returns one packet and its fds, which are open whatever the packet is.
func receive(sock int) ([]byte, []int, error) {
	data, control := make([]byte, 8192), make([]byte, syscall.CmsgSpace(5*4))
	n, nControl, flags, _, err := syscall.Recvmsg(sock, data, control, syscall.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, nil, err
	}
	var fds []int
	messages, err := syscall.ParseSocketControlMessage(control[:nControl])
	for i := range messages {
		some, _ := syscall.ParseUnixRights(&messages[i])
		fds = append(fds, some...)
	}
	if flags&syscall.MSG_TRUNC != 0 {
		err = errors.New("the reply is longer than any message")
	}
	return data[:n], fds, err
}

func judge(data []byte, fds []int) error {
	var reply acquireReply
	in := bytes.NewReader(data)
	if binary.Read(in, binary.LittleEndian, &reply.Head) != nil {
		return errors.New("the broker has hung up")
	}
	head := reply.Head
	if head.Header.Magic != magic || head.Header.Version != version ||
		int(head.Header.Length) != len(data) {
		return errors.New("that is no reply of this protocol")
	}
	if head.Status != 0 {
		return errors.New(strings.TrimRight(string(head.Reason[:]), "\x00"))
	}
	if head.Header.Op != opAcquire|opReply || head.Header.Tag != 1 || len(data) != 232 ||
		head.NFds != 2 || head.Roles != [8]byte{1, 5} { // program, lease
		return errors.New("that is no reply to this request")
	}
	if len(fds) != int(head.NFds) {
		return errors.New("SELinux or RLIMIT_NOFILE kept some fds back")
	}
	return nil
}

// acquire returns the fds of program and lease.
func acquire(queues int, key [40]byte) (program, lease int, err error) {
	request := acquireRequest{
		Header: header{magic, version, opAcquire, 392, 1},
		Kind:   programOnly, By: byABI, ABI: qemuRSS1,
		HashTypes: hashTypes, Queues: uint16(queues), TableLen: 128, KeyLen: 40, Key: key,
	}
	for i := range request.Table {
		request.Table[i] = uint16(i % queues)
	}
	var out bytes.Buffer
	binary.Write(&out, binary.LittleEndian, &request)

	sock, err := connect()
	if err != nil {
		return -1, -1, err
	}
	defer syscall.Close(sock)
	if err := syscall.Sendmsg(sock, out.Bytes(), nil, nil, syscall.MSG_NOSIGNAL); err != nil {
		return -1, -1, err
	}
	data, fds, err := receive(sock)
	if err == nil {
		err = judge(data, fds)
	}
	if err != nil {
		for _, fd := range fds {
			syscall.Close(fd)
		}
		return -1, -1, err
	}
	return fds[0], fds[1], nil
}

func ioctl(fd int, request uintptr, argument unsafe.Pointer) error {
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), request, uintptr(argument))
	if errno != 0 {
		return errno
	}
	return nil
}

func openQueue(ifname string) (int, error) {
	fd, err := syscall.Open("/dev/net/tun", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	var request struct {
		name  [16]byte
		flags uint16
		_     [22]byte
	}
	copy(request.name[:15], ifname)
	request.flags = iffTap | iffMultiQueue | iffNoPI
	return fd, ioctl(fd, tunSetIff, unsafe.Pointer(&request))
}

type arrival struct{ queue, bytes int }

func read(queue, fd int, arrivals chan<- arrival) {
	packet := make([]byte, 65536)
	for {
		n, err := syscall.Read(fd, packet)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			log.Fatal("steer: ", err)
		}
		arrivals <- arrival{queue, n}
	}
}

func steer(ifname string, n int) error {
	queues := make([]int, n)
	for i := range queues {
		fd, err := openQueue(ifname)
		if err != nil {
			return fmt.Errorf("%s: %w", ifname, err)
		}
		queues[i] = fd
	}
	var key [40]byte
	if _, err := rand.Read(key[:]); err != nil {
		return err
	}
	program, _, err := acquire(n, key) // the lease stays open while we run
	if err != nil {
		return err
	}
	argument := int32(program)
	if err := ioctl(queues[0], tunSetSteeringEBPF, unsafe.Pointer(&argument)); err != nil {
		return fmt.Errorf("TUNSETSTEERINGEBPF: %w", err)
	}
	syscall.Close(program) // the kernel has its own reference
	hex := strings.ReplaceAll(fmt.Sprintf("% x", key), " ", ":")
	fmt.Printf("%s: \"equal %d hkey %s\"\n", ifname, n, hex)

	arrivals := make(chan arrival)
	for i, fd := range queues {
		go read(i, fd, arrivals)
	}
	for a := range arrivals {
		fmt.Printf("queue %d: %d bytes\n", a.queue, a.bytes)
	}
	return nil
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: steer IFNAME QUEUES")
	}
	n, err := strconv.Atoi(os.Args[2])
	if err != nil || n < 1 || n > 256 {
		log.Fatal("steer: QUEUES is 1 to 256")
	}
	if err := steer(os.Args[1], n); err != nil {
		log.Fatal("steer: ", err)
	}
}
