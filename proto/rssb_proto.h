/* SPDX-License-Identifier: MIT */
/*
 * The whole wire contract between the broker and its clients.
 *
 * A connection is AF_UNIX, SOCK_SEQPACKET; one packet is one message.  The
 * client speaks first; each request gets exactly one reply, and the next
 * request is sent only after that reply was read.  Integers are little-endian
 * and naturally aligned; padding is explicit and named "reserved"; reserved
 * bytes, unused table entries and bytes after a string's NUL are zero.
 *
 * docs/protocol.md explains what is fixed here; proto/layout.c asserts the sizes.
 */
#pragma once

#include <stdint.h>

#define RSSB_SOCKET_DEFAULT "/run/rss-broker/rss-broker.sock"

#define RSSB_PROTO_MAGIC   0x42535352u /* the bytes "RSSB" */
#define RSSB_PROTO_VERSION 1u

#define RSSB_REQUEST_MAX 512u  /* bytes; a longer packet is refused */
#define RSSB_REPLY_MAX	 8192u /* bytes; no reply is longer */

#define RSSB_KEY_LEN	   40u	      /* bytes of a Toeplitz key */
#define RSSB_TABLE_MAX	   128u	      /* entries of an indirection table */
#define RSSB_QUEUES_MAX	   256u	      /* receive queues of a tap */
#define RSSB_HASH_ALL	   0x1ffu     /* VIRTIO_NET_RSS_HASH_TYPE_*, all nine */
#define RSSB_TUNNELS_ALL   0x1ff0000u /* VIRTIO_NET_HASH_TUNNEL_TYPE_* << 16, all nine */
#define RSSB_OBJECT_ID_LEN 32u	      /* SHA-256 of the ELF bytes */
#define RSSB_LABEL_MAX	   16u	      /* A-Z a-z 0-9 . _ - ; no NUL when all 16 are used */
#define RSSB_NAME_MAX	   32u	      /* an object's name, NUL-terminated */
#define RSSB_REASON_MAX	   160u	      /* a reply's reason, NUL-terminated */
#define RSSB_FDS_MAX	   5u	      /* the most fds that one reply carries */
#define RSSB_MOVES_MAX	   32u	      /* entries of a table that one MOVE changes */

enum rssb_op {
	RSSB_OP_INFO = 1,    /* rssb_request_info -> rssb_reply_info */
	RSSB_OP_OBJECT = 2,  /* rssb_request_object -> rssb_reply_object */
	RSSB_OP_ACQUIRE = 3, /* rssb_request_acquire -> rssb_reply_acquire + fds */
	RSSB_OP_RELEASE = 4, /* rssb_request_release -> rssb_reply */
	RSSB_OP_EXPORT = 5,  /* rssb_request_export -> rssb_reply_object + fd */
	RSSB_OP_UPDATE = 6,  /* rssb_request_update -> rssb_reply */
	RSSB_OP_STATS = 7,   /* rssb_request_stats -> rssb_reply_stats */
	RSSB_OP_STATUS = 8,  /* rssb_request_status -> rssb_reply_status */
	RSSB_OP_GRANT = 9,   /* rssb_request_grant -> rssb_reply_grant */
	RSSB_OP_MOVE = 10,   /* rssb_request_move -> rssb_reply_move */
};

#define RSSB_OP_REPLY 0x8000u /* or-ed into the op of a reply */

enum rssb_status {
	RSSB_OK = 0,
	RSSB_MALFORMED = 1,   /* not a message of this protocol; the broker hangs up */
	RSSB_VERSION = 2,     /* another protocol version; the broker hangs up */
	RSSB_UNKNOWN_OP = 3,  /* this broker is older than the operation */
	RSSB_INVALID = 4,     /* a field is out of range: the reason names it */
	RSSB_DENIED = 5,      /* the policy does not let this user do it */
	RSSB_NO_OBJECT = 6,   /* no such object here */
	RSSB_NO_GRANT = 7,    /* no such grant, or not yours */
	RSSB_LABEL_TAKEN = 8, /* another live grant of this user has the label */
	RSSB_BUSY = 9,	      /* nothing ready: come back after retry_ms */
	RSSB_LIMIT = 10,      /* a limit is reached; retry_ms says when to come back, 0: unknown */
	RSSB_INTERNAL = 11,   /* the broker's own fault; its log says more */
	RSSB_WRONG_KIND = 12, /* this grant is not managed, or does not count packets */
	RSSB_TIMEOUT = 13,    /* no request came in time; the broker hangs up */
};

/* What an fd in a reply is.  The order of this enum is the order on the wire. */
enum rssb_role {
	RSSB_ROLE_NONE = 0,
	RSSB_ROLE_PROG = 1,   /* the program */
	RSSB_ROLE_CONFIG = 2, /* map of struct rss_config (bpf/rss_maps.h) */
	RSSB_ROLE_KEY = 3,    /* map of struct rss_key */
	RSSB_ROLE_TABLE = 4,  /* map of the indirection table */
	RSSB_ROLE_LEASE = 5,  /* read end of a pipe: the grant lives while a copy is open */
	RSSB_ROLE_ELF = 6,    /* sealed memfd with an object's ELF bytes */
};

enum rssb_kind {
	RSSB_KIND_HANDOFF = 1,	    /* program and maps, the client's own */
	RSSB_KIND_PROGRAM_ONLY = 2, /* the program alone: steering is fixed for good */
	RSSB_KIND_MANAGED = 3,	    /* the program alone: steering changes by UPDATE */
};

enum rssb_abi {
	RSSB_ABI_QEMU_RSS_1 = 1, /* "qemu-rss-1": the maps of QEMU >= 9.0 */
};

enum rssb_acquire_flags {
	RSSB_ACQUIRE_NO_CONFIG = 1u << 0, /* leave the maps zero; handoff only */
	RSSB_ACQUIRE_STATS = 1u << 1,	  /* count packets, for STATS; object by ABI only */
	RSSB_ACQUIRE_KEEP = 1u << 2,	  /* no lease: the grant lives until RELEASE; not handoff */
};
#define RSSB_ACQUIRE_FLAGS_ALL (RSSB_ACQUIRE_NO_CONFIG | RSSB_ACQUIRE_STATS | RSSB_ACQUIRE_KEEP)

enum rssb_object_by {
	RSSB_BY_ABI = 0, /* the broker's own object of that ABI */
	RSSB_BY_ID = 1,	 /* exactly this object */
};

/* Opens every message. */
struct rssb_header {
	uint32_t magic;
	uint16_t version;
	uint16_t op;
	uint32_t length; /* of the whole message, header included, bytes */
	uint32_t tag;	 /* the client's; the reply carries it back */
};

/* Which object.  by ABI: id is zero.  by ID: abi is zero. */
struct rssb_object_ref {
	uint16_t by;  /* enum rssb_object_by */
	uint16_t abi; /* enum rssb_abi */
	uint8_t reserved[4];
	uint8_t id[RSSB_OBJECT_ID_LEN];
};

/* Steering in full: what the maps will hold. */
struct rssb_steering_wire {
	uint32_t hash_types;	/* RSSB_HASH_ALL bits; not handoff: RSSB_TUNNELS_ALL bits */
	uint16_t queues;	/* 1..RSSB_QUEUES_MAX */
	uint16_t default_queue; /* < queues */
	uint16_t table_len;	/* a power of two, 1..RSSB_TABLE_MAX */
	uint16_t key_len;	/* RSSB_KEY_LEN; in UPDATE also 0, which keeps the key */
	uint8_t reserved[4];
	uint8_t key[RSSB_KEY_LEN];
	uint16_t table[RSSB_TABLE_MAX]; /* each < queues; zero from table_len on */
};

struct rssb_request_info {
	struct rssb_header header;
};

struct rssb_request_object {
	struct rssb_header header;
	uint32_t index; /* 0..n_objects - 1 */
	uint8_t reserved[4];
};

struct rssb_request_acquire {
	struct rssb_header header;
	uint16_t kind;	/* enum rssb_kind */
	uint16_t flags; /* enum rssb_acquire_flags */
	uint8_t reserved[4];
	struct rssb_object_ref object;
	char label[RSSB_LABEL_MAX];	    /* all zero: none; never all digits */
	struct rssb_steering_wire steering; /* all zero with NO_CONFIG */
};

/* By id, or by label with id 0; never both. */
struct rssb_grant_ref {
	uint64_t id;
	char label[RSSB_LABEL_MAX];
};

struct rssb_request_release {
	struct rssb_header header;
	struct rssb_grant_ref grant;
};

struct rssb_request_export {
	struct rssb_header header;
	struct rssb_object_ref object;
};

struct rssb_request_update {
	struct rssb_header header;
	struct rssb_grant_ref grant;
	struct rssb_steering_wire steering;
};

struct rssb_request_stats {
	struct rssb_header header;
	struct rssb_grant_ref grant;
};

struct rssb_request_status {
	struct rssb_header header;
};

/* Grants are walked by id: each reply's is the next one's after. */
struct rssb_request_grant {
	struct rssb_header header;
	uint64_t after; /* 0: from the first */
};

/* One entry of the indirection table, from the queue where it is to another. */
struct rssb_move_wire {
	uint16_t entry; /* < the grant's table_len */
	uint16_t from;
	uint16_t to; /* < the grant's queues */
	uint8_t reserved[2];
};

/* All entries move, or none does.  Without any the reply is the table as it is. */
struct rssb_request_move {
	struct rssb_header header;
	struct rssb_grant_ref grant;
	uint16_t n; /* 0..RSSB_MOVES_MAX */
	uint8_t reserved[6];
	struct rssb_move_wire move[RSSB_MOVES_MAX]; /* no entry twice; zero from n on */
};

/* Opens every reply; a reply with a status other than RSSB_OK is this alone. */
struct rssb_reply {
	struct rssb_header header;    /* op: the request's | RSSB_OP_REPLY; 0 | it if unreadable */
	uint16_t status;	      /* enum rssb_status */
	uint16_t n_fds;		      /* fds that were sent with this reply */
	uint32_t retry_ms;	      /* RSSB_BUSY, RSSB_LIMIT: when to come back */
	uint8_t roles[8];	      /* enum rssb_role of each fd, in order */
	char reason[RSSB_REASON_MAX]; /* for people; empty on success */
};

struct rssb_reply_info {
	struct rssb_reply reply;
	char version[RSSB_NAME_MAX]; /* the broker's */
	uint32_t n_objects;
	uint16_t queues_max;
	uint16_t table_max;
	uint32_t ops;	/* bit n: operation n is known */
	uint32_t kinds; /* bit n: enum rssb_kind n is known */
};

struct rssb_reply_object {
	struct rssb_reply reply;
	uint8_t id[RSSB_OBJECT_ID_LEN];
	char name[RSSB_NAME_MAX];
	uint32_t size; /* of the ELF, bytes */
	uint16_t abi;  /* enum rssb_abi */
	uint8_t reserved[2];
};

struct rssb_reply_acquire {
	struct rssb_reply reply;
	uint64_t grant_id;		       /* never 0 */
	uint8_t object_id[RSSB_OBJECT_ID_LEN]; /* of the object that was loaded */
};

struct rssb_count {
	uint64_t packets;
	uint64_t bytes;
};

/* Why packets went to the default queue: an index of rssb_reply_stats.fallback. */
enum rssb_fallback {
	RSSB_FALLBACK_NO_TYPE = 0,   /* none of the packet's hash types is enabled */
	RSSB_FALLBACK_TRUNCATED = 1, /* a header is cut off */
	RSSB_FALLBACK_NOT_IP = 2,
	RSSB_FALLBACK_BAD_CONFIG = 3, /* nothing, or nonsense, is configured */
	RSSB_FALLBACKS = 4,
};
#define RSSB_HASH_TYPES 9u

/* All counts are since the grant began; wrap-around is left to the reader. */
struct rssb_reply_stats {
	struct rssb_reply reply;
	uint64_t grant_id;
	uint64_t time_ns;   /* CLOCK_MONOTONIC when the counts were read */
	uint16_t queues;    /* of the last ACQUIRE or UPDATE; 0: the client configures */
	uint16_t table_len; /* likewise */
	uint32_t hash_types;
	uint64_t hashed[RSSB_HASH_TYPES];  /* packets by the type they were hashed as */
	uint64_t fallback[RSSB_FALLBACKS]; /* packets by enum rssb_fallback */
	struct rssb_count queue[RSSB_QUEUES_MAX];
	struct rssb_count entry[RSSB_TABLE_MAX]; /* of the indirection table */
};

#define RSSB_COUNTERS	  16u /* of requests by enum rssb_op, of refusals by enum rssb_status */
#define RSSB_LATENCY_BINS 24u /* bin i counts those below 2^i microseconds, the last the rest */

/* How the broker does.  For root of all its clients; else of one's own account. */
struct rssb_reply_status {
	struct rssb_reply reply;
	uint64_t uptime_ms;
	uint32_t connections;
	uint32_t grants;      /* live */
	uint32_t all;	      /* 1: of all clients; 0: of one's own, and all that follows is zero */
	uint32_t ready;	      /* sets in the pool, of all objects */
	uint64_t memory_used; /* of the broker's memory cgroup, bytes; 0: there is no limit */
	uint64_t memory_limit; /* likewise */
	uint64_t loads;	       /* sets that the loader made */
	uint64_t load_failures;
	uint64_t requests[RSSB_COUNTERS];
	uint64_t refusals[RSSB_COUNTERS];
	uint64_t latency[RSSB_LATENCY_BINS]; /* of granted ACQUIREs, from request to reply */
	uint64_t latency_sum_ns;	     /* of all that latency counts */
};

struct rssb_reply_grant {
	struct rssb_reply reply;
	uint64_t id; /* 0: there is no further one, and all is zero */
	uint64_t age_ms;
	uint32_t uid;
	uint32_t pid;	    /* of the client, when it connected; it may be gone */
	uint16_t kind;	    /* enum rssb_kind */
	uint16_t flags;	    /* enum rssb_acquire_flags */
	uint16_t queues;    /* of the last ACQUIRE or UPDATE; 0: the client configures */
	uint16_t table_len; /* likewise */
	uint32_t hash_types;
	uint8_t reserved[4];
	char label[RSSB_LABEL_MAX];
	uint8_t object_id[RSSB_OBJECT_ID_LEN];
};

/* The indirection table, after the moves. */
struct rssb_reply_move {
	struct rssb_reply reply;
	uint64_t grant_id;
	uint16_t queues;
	uint16_t table_len;
	uint8_t reserved[4];
	uint16_t table[RSSB_TABLE_MAX]; /* zero from table_len on */
};
