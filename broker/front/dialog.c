/* SPDX-License-Identifier: MIT */
/*
 * One peer's requests and their replies.  Every request gets exactly one reply,
 * at once or after a wait for the pool; a peer that breaks the protocol is told
 * why and then hung up on.
 */
#include "broker/front/dialog.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "broker/common/clock.h"
#include "broker/common/log.h"
#include "proto/packet.h"

#define WAIT_MS 1000 /* for a set of an empty pool */

/* --- what the log says -------------------------------------------------------- */

/* Whom a line is about.  Never bytes of the client's. */
static const char *who(char ret[PEER_LABEL_MAX + 64], const struct session *session, unsigned op)
{
	snprintf(ret, PEER_LABEL_MAX + 64, "%s uid=%u label=%s pid=%d",
		 op ? rssb_op_name(op) : "CONNECT", session->account->uid, session->account->shown,
		 session->peer.pid);
	return ret;
}

/* Logs a refusal unless the account got the same one lately. */
static void log_decision(struct front *f, const struct session *session, unsigned op,
			 unsigned status, const char *reason)
{
	struct account *account = session->account;
	unsigned repeated;
	char whom[PEER_LABEL_MAX + 64];

	if (status == RSSB_OK && log_shows(LOG_DEBUG))
		log_line_of(&account->log, LOG_DEBUG, "%s result=ok", who(whom, session, op));
	else if (status != RSSB_OK &&
		 repeats_are_news(&account->refusals[status], f->service.now_ms, &repeated))
		log_line_of(&account->log, LOG_INFO, "%s result=%s reason=\"%s\" repeated=%u",
			    who(whom, session, op), rssb_status_name(status), reason, repeated);
}

/* --- replies --------------------------------------------------------------------- */

/* Completes o's reply and sends it.  The fds stay the caller's. */
static int reply_send(const struct session *session, uint32_t tag, struct outcome *o)
{
	int fds[RSSB_FDS_MAX];
	size_t n_fds = outcome_fds(o, fds), len;

	o->reply.base.header.tag = tag;
	len = rssb_reply_encode(&o->reply);
	return packet_send(session->fd, &o->reply, len, fds, n_fds);
}

/* The statuses after which the broker hangs up. */
static bool is_fatal(unsigned status)
{
	return status == RSSB_MALFORMED || status == RSSB_VERSION || status == RSSB_DENIED ||
	       status == RSSB_TIMEOUT;
}

/* The session has a reply to read, or ends. */
static void conclude_session(struct front *f, struct session *session, unsigned status)
{
	if (is_fatal(status)) {
		front_end_session(f, session);
		return;
	}
	session->state = SESSION_REPLIED;
	session->reply_read = false;
	session_set_deadline(&f->sessions, session,
			     f->service.now_ms + f->service.accounts.limits.read_reply_ms);
}

static void refuse(struct front *f, struct session *session, const struct rssb_header *request,
		   const struct rssb_refusal *why);

/*
 * The reply was not sent: its grant is ended. If too many fds were in flight the client is told to
 * come back.
 */
static void conclude_unsent(struct front *f, struct session *session,
			    const struct rssb_header *request, struct outcome *o, int err)
{
	struct rssb_refusal why = { .retry_ms = WAIT_MS };

	if (o->grant)
		service_end_grant(&f->service, o->grant);
	outcome_done(o);
	log_debug("a reply could not be sent: %s", strerrordesc_np(-err));
	if (err != -ETOOMANYREFS) {
		front_end_session(f, session);
		return;
	}
	rssb_refuse(&why, RSSB_BUSY,
		    "too many fds are in flight in unread replies; come back in %u ms", WAIT_MS);
	refuse(f, session, request, &why);
}

/*
 * The client has the fds of its grant. What else is due waits until the client has run
 * (handover.h).
 */
static void conclude_grant(struct front *f, struct session *session, struct outcome *o)
{
	counters_latency(&f->service.counters, clock_ns() - session->asked_ns);
	o->grant->pid = session->peer.pid;
	front_watch_lease(f, o->grant);
	handover_begin(&f->handover, o->grant, &o->set);
}

/* Sends the reply, and logs it unless it is a grant, which handover_finish() logs. */
static void conclude(struct front *f, struct session *session, const struct rssb_header *request,
		     struct outcome *o)
{
	unsigned status = o->reply.base.status;
	int err = reply_send(session, request->tag, o);

	if (err) {
		conclude_unsent(f, session, request, o, err);
		return;
	}
	counters_reply(&f->service.counters, request->op, status);
	if (o->grant)
		conclude_grant(f, session, o);
	else
		log_decision(f, session, request->op, status, o->reply.base.reason);
	outcome_done(o);
	conclude_session(f, session, status);
}

static void refuse(struct front *f, struct session *session, const struct rssb_header *request,
		   const struct rssb_refusal *why)
{
	struct outcome o;

	outcome_init(&o, request->op);
	outcome_refuse(&o, why);
	conclude(f, session, request, &o);
}

static void pay_fault(struct front *f, const struct session *session, enum price price)
{
	account_pay_fault(&f->service.accounts, session->account, price, f->service.now_ms);
}

/* The answer to what is no request of this protocol; its account pays for it. */
static void refuse_fault(struct front *f, struct session *session, enum price price,
			 const char *what)
{
	const struct rssb_header none = { 0 };
	struct rssb_refusal why = { 0 };

	pay_fault(f, session, price);
	rssb_refuse(&why, price == PRICE_LATE ? RSSB_TIMEOUT : RSSB_MALFORMED, "%s", what);
	refuse(f, session, &none, &why);
}

/* --- requests ---------------------------------------------------------------------- */

int dialog_deny(const struct front *f, const struct session *session, struct rssb_refusal *ret_why)
{
	const char *help = "join the group " BROKER_GROUP " (usermod -aG), then log in again";

	if (session->peer.uid == UID_OVERFLOW)
		help = "users of any user namespace may have it; rss-broker --allow-user 65534 "
		       "lets them in";
	else if (f->policy.named)
		help = "rss-broker serves only the users and groups that its --allow-user and "
		       "--allow-group name";
	return rssb_refuse(ret_why, RSSB_DENIED, "uid %u is not allowed here: %s",
			   session->peer.uid, help);
}

/* Whether the peer may ask for this operation, now; then it has paid. */
static int check_peer(struct front *f, struct session *session, unsigned op,
		      struct rssb_refusal *why)
{
	if (!session->allowed)
		return dialog_deny(f, session, why);
	return account_pay(&f->service.accounts, session->account, account_price(op),
			   f->service.now_ms, why);
}

/* An account with too many unread replies gets no other one. */
static int check_unread(struct front *f, struct session *session, struct rssb_refusal *why)
{
	unsigned limit = f->service.accounts.limits.unread, unread;

	if (session->account->n_sessions <= limit)
		return 0;
	unread = sessions_unread(&f->sessions, session->account, limit);
	if (unread < limit)
		return 0;
	why->retry_ms = WAIT_MS;
	return rssb_refuse(why, RSSB_LIMIT, "unread replies of your account: %u of %u; read them",
			   unread, limit);
}

static void perform(struct front *f, struct session *session, const union rssb_request *request)
{
	struct outcome o;

	front_finish_handover(f); /* this request may end the grant of the last one */
	outcome_init(&o, request->header.op);
	if (operation_perform(&f->service, session->account, request, &o)) {
		session_wait(&f->sessions, session, request, o.object, f->service.now_ms + WAIT_MS);
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

	int err = rssb_request_decode(&request, p->data, p->len, &why);

	if (err && why.status == RSSB_MALFORMED)
		pay_fault(f, session, PRICE_MALFORMED);
	/* Only a peer that may ask learns what is wrong with its request. */
	if ((err && is_fatal(why.status)) || check_peer(f, session, request.header.op, &why) ||
	    check_unread(f, session, &why) || err) {
		refuse(f, session, &request.header, &why);
	} else {
		perform(f, session, &request);
	}
	/* It may hold a Toeplitz key. */
	explicit_bzero(&request, sizeof(request));
}

/* An empty packet reads like the end of the connection; only the end can be read again. */
static bool peer_has_closed(const struct session *session)
{
	struct pollfd p = { .fd = session->fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) != 0; /* #syscalls:front poll ppoll */
}

/* What came instead of a packet, or in a wrong one. */
static void answer_fault(struct front *f, struct session *session, const struct packet *p, int err)
{
	if (p->n_fds)
		refuse_fault(f, session, PRICE_FD, "a request carries no fds");
	else if (!err || err == -EMSGSIZE)
		refuse_fault(f, session, PRICE_MALFORMED, "a request has at most 512 bytes");
	else if (err == -ECONNRESET && !peer_has_closed(session))
		refuse_fault(f, session, PRICE_MALFORMED, "an empty packet is not a request");
	else
		front_end_session(f, session);
}

/* There is input before the last reply was read: a request, or the end of the peer's sending. */
static void answer_early(struct front *f, struct session *session)
{
	/* Who has closed is watched no more until the deadline of its reply. */
	if (peer_has_closed(session))
		front_watch_session(f, session, false);
	else
		refuse_fault(f, session, PRICE_MALFORMED,
			     "a request came before the last reply was read: read it first");
}

int dialog_read(struct front *f, struct session *session)
{
	struct packet p;
	int err;

	if (session_reply_unread(session)) {
		answer_early(f, session);
		return 0;
	}
	if (session->guarded) {
		/*
		 * Receives only a packet that was seen to bring no fds: another one may have come
		 * since.
		 */
		switch (packet_peek(session->fd)) {
		case PACKET_NONE:
			return -EAGAIN;
		case PACKET_FDS:
			refuse_fault(f, session, PRICE_FD, "a request carries no fds");
			return 0;
		default:
			break;
		}
	}
	err = packet_recv(session->fd, &p);
	if (err == -EAGAIN)
		return err;
	session->asked_ns = clock_ns();
	if (!err && !p.n_fds && p.len <= RSSB_REQUEST_MAX)
		answer(f, session, &p);
	else
		answer_fault(f, session, &p, err);
	packet_done(&p);
	explicit_bzero(p.data, p.len);
	return 0;
}

/* --- waiting ------------------------------------------------------------------------- */

void dialog_resume(struct front *f, struct session *session)
{
	union rssb_request request = session->request;

	session_resume(&f->sessions, session);
	front_watch_session(f, session, true);
	perform(f, session, &request);
	explicit_bzero(&request, sizeof(request));
}

void dialog_busy(struct front *f, struct session *session)
{
	const struct rssb_header header = session->request.header;
	struct rssb_refusal why = { .retry_ms = WAIT_MS };

	session_resume(&f->sessions, session);
	front_watch_session(f, session, true);
	rssb_refuse(&why, RSSB_BUSY, "no set is ready; come back in %u ms", WAIT_MS);
	refuse(f, session, &header, &why);
}

static void refuse_late(struct front *f, struct session *session)
{
	char what[64];

	snprintf(what, sizeof(what), "no request came within %u ms",
		 f->service.accounts.limits.first_request_ms);
	refuse_fault(f, session, PRICE_LATE, what);
}

void dialog_overdue(struct front *f, struct session *session)
{
	switch (session->state) {
	case SESSION_WAITING:
		dialog_busy(f, session);
		return;
	case SESSION_NEW:
		/* A request that came in time may lie there: the front was late, not the client. */
		if (dialog_read(f, session))
			refuse_late(f, session);
		return;
	case SESSION_REPLIED:
		if (session_reply_unread(session)) {
			pay_fault(f, session, PRICE_LATE);
			front_end_session(f, session);
			return;
		}
		session->state = SESSION_IDLE;
		front_watch_session(f, session, true); /* answer_early() may have stopped it */
		break;
	default:
		break;
	}
	session_set_deadline(&f->sessions, session, 0);
}

void dialog_refuse(struct front *f, struct session *session, const struct rssb_refusal *why)
{
	struct outcome o;

	if (!session->guarded) {
		/* Unread input at close would reach the peer as an error, before the reply. */
		struct packet p;

		packet_recv(session->fd, &p);
		packet_done(&p);
		explicit_bzero(p.data, p.len);
	}
	outcome_init(&o, 0);
	outcome_refuse(&o, why);
	if (!reply_send(session, 0, &o))
		log_decision(f, session, 0, why->status, why->reason);
	front_end_session(f, session);
}
