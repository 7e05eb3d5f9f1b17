/* SPDX-License-Identifier: MIT */
/* Who may ask.  Everything it needs is resolved at start. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define POLICY_NAMES_MAX 64

/* The one at the other end of a connection, as the kernel recorded it at connect. */
struct peer {
	uid_t uid; /* (uid_t)-1 until it is known */
	gid_t gid;
	pid_t pid; /* a hint: it may be gone, and another have its number */
};
#define PEER_UNKNOWN ((struct peer){ .uid = (uid_t)-1, .gid = (gid_t)-1 })

#define PEER_LABEL_MAX 256 /* bytes of a security label, the NUL included */

struct policy {
	bool named; /* by --allow-user and --allow-group; else the default: one group */
	size_t n_uids, n_gids;
	uid_t uids[POLICY_NAMES_MAX];
	gid_t gids[POLICY_NAMES_MAX];
};

#define UID_OVERFLOW ((uid_t)65534) /* anybody of another user namespace; no group lets it in */

/* Reads who connected; on failure *ret stays unknown, which is allowed nothing. */
int peer_read(struct peer *ret, int sock);

/* Reads the security label; empty where no LSM gives one.  -ERANGE: it is too long. */
int peer_read_label(char ret[PEER_LABEL_MAX], int sock);

/*
 * Whether the peer on sock may make requests: root, a user or a member of a
 * group that was allowed.  What cannot be looked up is denied.
 */
bool policy_allows(const struct policy *p, const struct peer *peer, int sock);
