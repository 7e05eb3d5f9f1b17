/* SPDX-License-Identifier: MIT */
/*
 * One peer's requests and their replies.  Every request gets exactly one reply,
 * at once or after a wait for the pool; a peer that breaks the protocol is told
 * why and then hung up on.
 */
#include "conversation.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "log.h"
#include "packet.h"

#define WAIT_MS 1000 /* for a set of an empty pool */

/* Never the key, never bytes of the client's but a label that was checked. */
static void log_decision(const struct session *session, unsigned op, const struct outcome *o)
{
	const struct peer *peer = &session->peer;
	unsigned status = o->reply.base.status;
	char id[2 * RSSB_OBJECT_ID_LEN + 1];

	if (o->grant) {
		rssb_object_id_format(id, o->reply.acquire.object_id);
		log_info("%s uid=%u pid=%d grant=%llu object=%.12s label=%.16s result=ok",
			 rssb_op_name(op), peer->uid, peer->pid, (unsigned long long)o->grant->id,
			 id, o->grant->label[0] ? o->grant->label : "-");
	} else if (status == RSSB_OK) {
		log_debug("%s uid=%u pid=%d result=ok", rssb_op_name(op), peer->uid, peer->pid);
	} else {
		log_info("%s uid=%u pid=%d result=%s reason=\"%s\"", rssb_op_name(op), peer->uid,
			 peer->pid, rssb_status_name(status), o->reply.base.reason);
	}
}

/* Sends o's reply to a request with that header.  The outcome stays the caller's. */
static int reply_send(const struct session *session, const struct rssb_header *request,
		      struct outcome *o)
{
	union rssb_reply_any wire = o->reply;
	int fds[RSSB_FDS_MAX];
	size_t n_fds = outcome_fds(o, fds), len;

	wire.base.header.op = request->op | RSSB_OP_REPLY;
	wire.base.header.tag = request->tag;
	len = rssb_reply_encode(&wire);
	return packet_send(session->fd, &wire, len, fds, n_fds);
}

static bool is_fatal(unsigned status)
{
	return status == RSSB_MALFORMED || status == RSSB_VERSION || status == RSSB_DENIED;
}

/* Sends, logs, keeps or drops the grant; ends the session where that is due. */
static void conclude(struct front *f, struct session *session, const struct rssb_header *request,
		     struct outcome *o)
{
	int err = reply_send(session, request, o);

	if (err && o->grant) {
		log_info("grant %llu undone: the reply could not be sent: %s",
			 (unsigned long long)o->grant->id, strerrordesc_np(-err));
		grant_end(&f->service.grants, o->grant);
		o->grant = NULL;
	}
	if (o->grant)
		front_watch_lease(f, o->grant);
	if (!err)
		log_decision(session, request->op, o);
	outcome_done(o);
	if (err || is_fatal(o->reply.base.status))
		front_end_session(f, session);
}

static void refuse(struct front *f, struct session *session, const struct rssb_header *request,
		   const struct rssb_refusal *why)
{
	struct outcome o = OUTCOME_INIT;

	outcome_refuse(&o, why);
	conclude(f, session, request, &o);
}

/* The answer to what is not even a packet of this protocol. */
static void refuse_packet(struct front *f, struct session *session, const char *why_not)
{
	const struct rssb_header none = { 0 };
	struct rssb_refusal why = { 0 };

	rssb_refuse(&why, RSSB_MALFORMED, "%s", why_not);
	refuse(f, session, &none, &why);
}

/* Asks the policy once a connection. */
static bool session_allowed(struct front *f, struct session *session)
{
	if (!session->allowed)
		session->allowed = policy_allows(&f->policy, &session->peer, session->fd);
	return session->allowed;
}

static void perform(struct front *f, struct session *session, const union rssb_request *request)
{
	struct outcome o = OUTCOME_INIT;

	if (request_perform(&f->service, &session->peer, request, &o)) {
		session_wait(&f->sessions, session, request, o.object, f->now_ms + WAIT_MS);
		front_watch_session(f, session, false);
		front_restock(f, o.object);
		return;
	}
	conclude(f, session, &request->header, &o);
	if (request->header.op == RSSB_OP_ACQUIRE)
		front_restock_soon(f, o.object);
}

static void answer(struct front *f, struct session *session, const struct packet *p)
{
	union rssb_request request;
	struct rssb_refusal why;

	if (rssb_request_decode(&request, p->data, p->len, &why)) {
		refuse(f, session, &request.header, &why);
	} else if (!session_allowed(f, session)) {
		rssb_refuse(&why, RSSB_DENIED,
			    "uid %u is not allowed here: join the group "
			    "rss-broker, or ask for --allow-user or --allow-group",
			    session->peer.uid);
		refuse(f, session, &request.header, &why);
	} else {
		perform(f, session, &request);
	}
	/* It may hold a Toeplitz key. */
	explicit_bzero(&request, sizeof(request));
}

/* An empty packet reads like the end of the connection, but only that is for ever. */
static bool peer_has_closed(const struct session *session)
{
	struct pollfd p = { .fd = session->fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) != 0; /* #syscalls:front poll */
}

int conversation_read(struct front *f, struct session *session)
{
	struct packet p;
	int err = packet_recv(session->fd, &p);

	if (err == -EAGAIN)
		return err;
	if (p.n_fds)
		refuse_packet(f, session, "a request carries no fds");
	else if (!err)
		answer(f, session, &p);
	else if (err == -EMSGSIZE)
		refuse_packet(f, session, "a request has at most 512 bytes");
	else if (err == -ECONNRESET && !peer_has_closed(session))
		refuse_packet(f, session, "an empty packet is not a request");
	else
		front_end_session(f, session);
	packet_done(&p);
	explicit_bzero(p.data, sizeof(p.data));
	return 0;
}

void conversation_resume(struct front *f, struct session *session)
{
	union rssb_request request = session->request;

	session_resume(&f->sessions, session);
	front_watch_session(f, session, true);
	perform(f, session, &request);
	explicit_bzero(&request, sizeof(request));
}

void conversation_busy(struct front *f, struct session *session)
{
	const struct rssb_header header = session->request.header;
	struct rssb_refusal why = { .retry_ms = WAIT_MS };

	session_resume(&f->sessions, session);
	front_watch_session(f, session, true);
	rssb_refuse(&why, RSSB_BUSY, "no set is ready; come back in %u ms", WAIT_MS);
	refuse(f, session, &header, &why);
}
