/* SPDX-License-Identifier: MIT */
/* Who may ask.  Every lookup that fails must deny. */
#include "broker/front/policy.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/socket.h>

#define GROUPS_MAX 65536 /* the kernel's NGROUPS_MAX */

int peer_read(struct peer *ret, int sock)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	/* #syscalls:front getsockopt */
	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return -errno;
	if (len != sizeof(cred))
		return -EPROTO;
	*ret = (struct peer){ cred.uid, cred.gid, cred.pid };
	return 0;
}

int peer_read_label(char ret[PEER_LABEL_MAX], int sock)
{
	socklen_t len = PEER_LABEL_MAX - 1;

	if (getsockopt(sock, SOL_SOCKET, SO_PEERSEC, ret, &len)) {
		ret[0] = '\0';
		return errno == ENOPROTOOPT ? 0 : -errno;
	}
	ret[len] = '\0';
	return 0;
}

static bool group_allowed(const struct policy *p, gid_t gid)
{
	for (size_t i = 0; i < p->n_gids; i++) {
		if (p->gids[i] == gid)
			return true;
	}
	return false;
}

static bool peer_groups_allowed(const struct policy *p, int sock)
{
	static gid_t groups[GROUPS_MAX];
	socklen_t len = sizeof(groups);

	if (getsockopt(sock, SOL_SOCKET, SO_PEERGROUPS, groups, &len))
		return false;
	for (size_t i = 0; i < len / sizeof(groups[0]); i++) {
		if (group_allowed(p, groups[i]))
			return true;
	}
	return false;
}

bool policy_allows(const struct policy *p, const struct peer *peer, int sock)
{
	if (peer->uid == (uid_t)-1)
		return false;
	if (peer->uid == 0)
		return true;
	for (size_t i = 0; i < p->n_uids; i++) {
		if (p->uids[i] == peer->uid)
			return true;
	}
	/* Uid 65534 may be anybody of another user namespace: only its own name lets it in. */
	if (peer->uid == UID_OVERFLOW)
		return false;
	return group_allowed(p, peer->gid) || peer_groups_allowed(p, sock);
}
