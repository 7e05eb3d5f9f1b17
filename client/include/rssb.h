/* SPDX-License-Identifier: MIT */
/*
 * librssb: receive-side scaling from rss-broker, for a process without any
 * capability.
 *
 * Every call returns 0 or -errno.  Nothing here logs, starts a thread, raises
 * a signal or keeps global state.  A connection is used by one thread at a
 * time; different connections are independent.  Every fd is close-on-exec.
 */
#ifndef RSSB_H
#define RSSB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

#define RSSB_DEFAULT_TIMEOUT_MS 5000
#define RSSB_KEY_BYTES		40  /* a Toeplitz key */
#define RSSB_TABLE_ENTRIES_MAX	128 /* an indirection table */
#define RSSB_OBJECT_ID_BYTES	32  /* SHA-256 of an object's ELF bytes */

/* A connection to the broker. */
struct rssb;

/* What a grant consists of; -1: not part of it.  The fds are the caller's. */
struct rssb_fds {
	int prog;   /* BPF_PROG_TYPE_SOCKET_FILTER, for TUNSETSTEERINGEBPF */
	int config; /* map, one value of 10 bytes (bpf/rss_maps.h) */
	int key;    /* map, one value of 40 bytes */
	int table;  /* map, 128 values of 2 bytes at a stride of 8 */
	int lease;  /* the grant is charged to you while a copy of this is open */
};
#define RSSB_FDS_INIT                                                                              \
	{                                                                                          \
		-1, -1, -1, -1, -1                                                                 \
	}

/* How packets are steered.  size is sizeof(struct rssb_steering). */
struct rssb_steering {
	size_t size;
	/* VIRTIO_NET_RSS_HASH_TYPE_* bits; and, but for handoff, VIRTIO_NET_HASH_TUNNEL_TYPE_*
	   bits << 16: tunnels whose inner headers are hashed. */
	uint32_t hash_types;
	uint16_t queues;	/* receive queues, 1..256 */
	uint16_t default_queue; /* for packets of no enabled hash type; < queues */
	uint16_t table_len;	/* a power of two, 1..128 */
	const uint16_t *table;	/* table_len entries, each < queues; borrowed */
	const uint8_t *key;	/* RSSB_KEY_BYTES bytes; borrowed; NULL: rssb_update() keeps it */
};

enum rssb_grant_kind {
	RSSB_HANDOFF = 1,      /* program and three maps: what QEMU needs */
	RSSB_PROGRAM_ONLY = 2, /* the program alone: its steering is fixed */
	RSSB_MANAGED = 3,      /* the program alone: steering changes by rssb_update() */
};

enum rssb_grant_flags {
	RSSB_GRANT_STATS = 1u << 0, /* count packets, for rssb_stats(); not with object_id */
	RSSB_GRANT_KEEP = 1u << 1,  /* no lease: it lives until rssb_release(); not handoff */
};

/* What to ask for.  size is sizeof(struct rssb_acquire_options). */
struct rssb_acquire_options {
	size_t size;
	enum rssb_grant_kind kind;
	uint32_t flags;			      /* enum rssb_grant_flags */
	const struct rssb_steering *steering; /* NULL: maps stay zero (handoff only) */
	const uint8_t *object_id;	      /* NULL: the broker's own object of ABI qemu-rss-1 */
	const char *label; /* NULL: none; 1-16 of A-Z a-z 0-9 . _ -, not all digits */
};

/* What was granted. */
struct rssb_grant {
	uint64_t id;
	uint8_t object_id[RSSB_OBJECT_ID_BYTES];
};

struct rssb_object {
	uint8_t id[RSSB_OBJECT_ID_BYTES];
	char name[32];
	uint32_t size; /* of the ELF, bytes */
	uint16_t abi;  /* 1: qemu-rss-1 */
};

struct rssb_counter {
	uint64_t packets;
	uint64_t bytes;
};

/* Why a packet went to the default queue: an index of rssb_stats.fallback. */
enum rssb_fallback_reason {
	RSSB_NO_TYPE = 0,   /* none of the packet's hash types is enabled */
	RSSB_TRUNCATED = 1, /* a header is cut off */
	RSSB_NOT_IP = 2,
	RSSB_BAD_CONFIG = 3, /* nothing, or nonsense, is configured */
};

/* What a grant has counted since it began; the counters may wrap around. */
struct rssb_stats {
	uint64_t grant_id;
	uint64_t time_ns;     /* CLOCK_MONOTONIC when they were read */
	uint32_t hash_types;  /* of the steering now in force, like the next two */
	uint16_t queues;      /* 0: the broker does not know, the client configures */
	uint16_t table_len;   /* likewise */
	uint64_t hashed[9];   /* packets, by number of the bit of their hash type */
	uint64_t fallback[4]; /* packets, by enum rssb_fallback_reason */
	struct rssb_counter queue[256];
	struct rssb_counter entry[RSSB_TABLE_ENTRIES_MAX]; /* of the indirection table */
};

struct rssb_info {
	char version[32]; /* the broker's */
	uint32_t n_objects;
	uint16_t queues_max;
	uint16_t table_max;
	uint32_t ops;	/* bit n: operation n is known */
	uint32_t kinds; /* bit n: grant kind n is known */
};

/* How the broker does: for root of all its clients, for others of their own account. */
struct rssb_broker_status {
	uint64_t uptime_ms;
	uint32_t connections;
	uint32_t grants;       /* live */
	bool all;	       /* root asked; else what follows is zero */
	uint32_t ready;	       /* sets in the pool */
	uint64_t memory_used;  /* of the broker's memory cgroup, bytes; 0: it has no limit */
	uint64_t memory_limit; /* likewise */
	uint64_t loads;	       /* sets made since the start */
	uint64_t load_failures;
	uint64_t requests[16];	 /* by operation of the protocol; 0: unreadable ones */
	uint64_t refusals[16];	 /* by status of the protocol */
	uint64_t latency[24];	 /* of granted requests: [i] took less than 2^i us, the last more */
	uint64_t latency_sum_ns; /* of all of these */
};

/* A live grant, as the broker knows it. */
struct rssb_grant_info {
	uint64_t id;
	uint64_t age_ms;
	uint32_t uid;
	uint32_t pid; /* of the client when it connected; it may be gone */
	enum rssb_grant_kind kind;
	bool counts;	 /* rssb_stats() works */
	bool kept;	 /* no lease: it lives until rssb_release() */
	uint16_t queues; /* 0: the client configures, like the next two */
	uint16_t table_len;
	uint32_t hash_types;
	char label[17]; /* empty: none */
	uint8_t object_id[RSSB_OBJECT_ID_BYTES];
};

/*
 * Connects to the broker at path (NULL: $RSSB_SOCKET, else the default path).
 * On failure *ret is a handle that only rssb_reason() and rssb_close() may be
 * used on, or NULL if there was no memory.
 * -ENOENT, -ECONNREFUSED: no broker; -EACCES: the socket is not for this user;
 * -EPROTOTYPE: it is another service's; -ENAMETOOLONG; -ENOMEM; -ETIMEDOUT:
 * nobody accepted within RSSB_DEFAULT_TIMEOUT_MS.  The broker hangs up on who
 * asks nothing within a second of being accepted; later it waits for ever.
 */
int rssb_connect(struct rssb **ret, const char *path);

/* Closes c, which may be NULL.  Returns NULL.  Grants live on with their lease. */
struct rssb *rssb_close(struct rssb *c);

/* The longest that any later call on c may take; -1: no limit. */
void rssb_set_timeout(struct rssb *c, int timeout_ms);

/* Why the last call on c failed: one line, never NULL, valid until the next call. */
const char *rssb_reason(const struct rssb *c);

/* After -EAGAIN or -EDQUOT: when to ask again, in milliseconds (0: unknown). */
uint32_t rssb_retry_ms(const struct rssb *c);

/*
 * Errors that any of the following may return, besides its own:
 * -ETIMEDOUT; -ECONNRESET: the broker went away; -EPROTO: its reply is not one
 * of this protocol; -EPROTONOSUPPORT: it speaks another version; -ENOSYS: it
 * does not know the operation; -EACCES: its policy says no; -EREMOTEIO: its own
 * fault.  After the first four the connection is of no further use, and every
 * call on it returns -ENOTCONN.
 */

/* What the broker is and what it can do. */
int rssb_info(struct rssb *c, struct rssb_info *ret);

/* How the broker does. */
int rssb_status(struct rssb *c, struct rssb_broker_status *ret);

/*
 * Your grant (as root: anybody's) with the lowest id above after; 0: the first.
 * -ENOENT: there is none.
 */
int rssb_next_grant(struct rssb *c, uint64_t after, struct rssb_grant_info *ret);

/* Object number index, of rssb_info.n_objects.  -ENOENT: no such. */
int rssb_object(struct rssb *c, uint32_t index, struct rssb_object *ret);

/*
 * Gets a steering set.  On success the fds are the caller's.
 * -EINVAL: a value is refused, the reason names it; -ENOENT: no such object;
 * -EEXIST: the label is taken; -EAGAIN: no set ready; -EDQUOT: a limit;
 * -EBADMSG: fewer fds arrived than the reply says (an LSM or RLIMIT_NOFILE
 * refused some): what did arrive is closed.
 */
int rssb_acquire(struct rssb *c, const struct rssb_acquire_options *options,
		 struct rssb_fds *ret_fds, struct rssb_grant *ret_grant);

/*
 * The next three name a grant by its id, or by its label with id 0; from any
 * connection of the user whose grant it is, or of root.
 * -ENOENT: no such grant of yours.
 */

/* Ends a grant.  A program that is attached goes on steering. */
int rssb_release(struct rssb *c, uint64_t id, const char *label);

/*
 * Changes the steering of a managed grant.  For a moment a packet may see some
 * of the old and some of the new, but never a queue that is in neither.
 * -EINVAL: a value is refused; -EOPNOTSUPP: the grant is not a managed one.
 */
int rssb_update(struct rssb *c, uint64_t id, const char *label,
		const struct rssb_steering *steering);

/* One entry of an indirection table, from the queue where it is to another. */
struct rssb_move {
	uint16_t entry;
	uint16_t from;
	uint16_t to;
};

#define RSSB_MOVES_AT_ONCE 32

struct rssb_table {
	uint64_t grant_id;
	uint16_t queues;			/* of the last rssb_acquire() or rssb_update() */
	uint16_t len;				/* entries */
	uint16_t queue[RSSB_TABLE_ENTRIES_MAX]; /* of each entry; zero from len on */
};

/*
 * Moves n entries (at most RSSB_MOVES_AT_ONCE, none twice; 0: none) of a managed
 * grant's table, all or none.  Each changes at once for packets, and those of a
 * flow that are on their way to the old queue may be overtaken.  *ret_table is the
 * table afterwards.  -EINVAL: an entry or queue that is not there, or an entry
 * that was not on the queue `from`: somebody else changed the table.
 */
int rssb_move(struct rssb *c, uint64_t id, const char *label, const struct rssb_move *moves,
	      size_t n, struct rssb_table *ret_table);

/* Reads what a grant counts.  -EOPNOTSUPP: it was not asked for RSSB_GRANT_STATS. */
int rssb_stats(struct rssb *c, uint64_t id, const char *label, struct rssb_stats *ret);

/*
 * The ELF bytes of an object (NULL: the broker's own), in a sealed memfd that
 * is the caller's, at most 1 MiB.  ret_object may be NULL.  -ENOENT: no such
 * object; -EPROTO: the broker sent something else than that.
 */
int rssb_export(struct rssb *c, const uint8_t *object_id, int *ret_fd,
		struct rssb_object *ret_object);

/*
 * Checks that the open fds of *fds are what their names say, and that the maps
 * are the program's own.  -EBADF, -EINVAL: one is not; -EOPNOTSUPP: this kernel
 * does not tell an unprivileged process (before 5.19 with
 * kernel.unprivileged_bpf_disabled set).
 */
int rssb_fds_verify(const struct rssb_fds *fds);

/* Closes what is open in *fds and marks it closed. */
void rssb_fds_close(struct rssb_fds *fds);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
