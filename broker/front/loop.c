/* SPDX-License-Identifier: MIT */
/*
 * The front's loop: one epoll_wait, one switch.  It must never block, never
 * allocate, and never close an fd that a client sent where that could block.
 */
#include "broker/front/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/common/clock.h"
#include "broker/common/log.h"
#include "broker/front/dialog.h"
#include "proto/packet.h"
#include "proto/util/fd.h"
#include "proto/util/refuse_fds.h"

#define EVENTS_PER_TURN	 64
#define DENIED_MAX	 32  /* connections of peers that may not ask; others are refused at once */
#define PAUSE_MS	 100 /* after accept4(2) found no free fd */
#define CLOSER_PAUSE_MS	 2   /* while the closer is busy */
#define RESTOCK_PAUSE_MS 1000 /* after a failure of the loader */

_Static_assert(ACCOUNTS_MAX > SESSIONS_MAX + GRANTS_MAX, "nobody is without an account");

/* --- sessions ------------------------------------------------------------- */

/* What may happen at each connect(), and no account pays for: not each time a line. */
static void warn_now_and_then(const struct front *f, struct repeats *r, const char *what, int error)
{
	unsigned repeated;

	if (repeats_are_news(r, f->service.now_ms, &repeated))
		log_warning("%s: %s repeated=%u", what, strerrordesc_np(error), repeated);
}

/* Whose connection it is, and whether it may stay. */
static int session_admit(struct front *f, struct session *session, struct rssb_refusal *why)
{
	struct accounts *accounts = &f->service.accounts;
	char label[PEER_LABEL_MAX];
	int err = 0;

	if ((err = peer_read(&session->peer, session->fd)) ||
	    (err = peer_read_label(label, session->fd)))
		return err; /* an unknown peer gets no answer */
	session->account = account_get(accounts, session->peer.uid, label, f->service.now_ms);
	if (!session->account)
		return -ENOBUFS;
	session->allowed = policy_allows(&f->policy, &session->peer, session->fd);
	if (!session->allowed && sessions_denied(&f->sessions) > DENIED_MAX)
		err = dialog_deny(f, session, why);
	else if (!(err = account_may_connect(accounts, session->account, why)))
		err = account_pay(accounts, session->account, PRICE_CONNECTION, f->service.now_ms,
				  why);
	account_add_session(accounts, session->account);
	return err;
}

/* Most clients have sent their request already: answers it first, then polls for more. */
static void session_greet(struct front *f, struct session *session)
{
	const struct limits *limits = &f->service.accounts.limits;

	if (dialog_read(f, session))
		session_set_deadline(&f->sessions, session,
				     f->service.now_ms + limits->first_request_ms);
	if (session->state != SESSION_FREE && session->state != SESSION_CLOSING &&
	    front_add_session(f, session))
		front_end_session(f, session);
}

static void session_start(struct front *f, int *fd)
{
	struct session *session = session_new(&f->sessions, fd);
	struct rssb_refusal why = { 0 };
	int err;

	/*
	 * Fds may be queued already: before Linux 6.16, or on an inherited listener.  The
	 * closer closes them.  #syscalls:front setsockopt
	 */
	session->guarded = !socket_refuses_fds(session->fd);
	if (session->guarded && (socket_refuse_fds(session->fd), packet_mark(session->fd)))
		log_notice("cannot set SO_PASSCRED on a connection");
	err = session_admit(f, session, &why);
	if (!err) {
		session_greet(f, session);
	} else if (why.status) {
		dialog_refuse(f, session, &why);
	} else {
		warn_now_and_then(f, &f->peers_unknown,
				  "a connection was refused: its uid or label cannot be read",
				  -err);
		front_end_session(f, session);
	}
}

/*
 * Accepts as many connections as this turn has events, so that the other events have their turn,
 * and a single client does not wait for another accept4(2).
 */
static void on_listener(struct front *f, int accepts)
{
	for (int i = 0; i < accepts; i++) {
		_cleanup_fd_ int fd = -1;

		if (f->sessions.n_open == SESSIONS_MAX) {
			front_pause_accepting(f, 0);
			return;
		}
		/* #syscalls:front accept4 */
		fd = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			session_start(f, &fd);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			   errno == ENOMEM) {
			warn_now_and_then(f, &f->accept_failures, "cannot accept connections now",
					  errno);
			front_pause_accepting(f, f->service.now_ms + PAUSE_MS);
			return;
		} else if (errno != ECONNABORTED && errno != EINTR) {
			return;
		}
	}
}

static void on_session(struct front *f, uint32_t index, uint64_t tag, uint32_t events)
{
	struct session *session = &f->sessions.list[index];

	if (session->state == SESSION_FREE || session->state == SESSION_CLOSING ||
	    front_session_tag(f, session) != tag)
		return;
	if (events & EPOLLIN)
		dialog_read(f, session);
	else if (events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP))
		front_end_session(f, session);
}

/* --- grants and the pool --------------------------------------------------- */

static void on_lease(struct front *f, uint32_t index, uint64_t tag)
{
	struct grant *grant = &f->service.grants.list[index];

	if (!grant->id || front_lease_tag(f, grant) != tag)
		return;
	log_line_of(&grant->account->log, LOG_INFO, "END uid=%u grant=%llu: its lease was closed",
		    grant->account->uid, (unsigned long long)grant->id);
	service_end_grant(&f->service, grant);
}

/* The loader made a set, or could not: tells the session whose turn it is. */
static void serve_waiting(struct front *f, unsigned object, bool failed)
{
	const struct accounts *accounts = &f->service.accounts;
	uint64_t now_ms = f->service.now_ms;
	struct session *first = session_first_waiting(&f->sessions, object, accounts, now_ms);

	if (!first)
		return;
	if (failed)
		dialog_busy(f, first);
	else if (pool_has(&f->service.pool, object,
			  account_had_many(accounts, first->account, now_ms)))
		dialog_resume(f, first);
}

/* Takes one answer of the loader. */
static int on_loader(struct front *f)
{
	unsigned object;
	int failed, err = pool_receive(&f->service.pool, &object, &failed);

	if (err == -EAGAIN)
		return 0;
	if (err)
		return log_error(err, "the loader is gone");
	f->service.counters.loads += !failed;
	f->service.counters.load_failures += !!failed;
	if (failed) {
		log_error(failed, "the loader could not make a set of object %s",
			  f->service.objects.list[object].name);
		f->loader_rests = true;
		f->restock_at_ms = f->service.now_ms + RESTOCK_PAUSE_MS;
	}
	serve_waiting(f, object, failed);
	front_restock(f, object);
	return 0;
}

/* --- time -------------------------------------------------------------------- */

static void on_time(struct front *f)
{
	struct session *overdue;

	while ((overdue = session_overdue(&f->sessions, f->service.now_ms)))
		dialog_overdue(f, overdue);
	front_close_again(f);
	watchdog_answer(&f->watchdog, f->service.now_ms);
	if (f->restock_at_ms && f->restock_at_ms <= f->service.now_ms) {
		f->restock_at_ms = 0;
		f->loader_rests = false;
		for (unsigned i = 0; i < f->service.objects.n; i++)
			front_restock(f, i);
	}
	if (f->accept_at_ms && f->accept_at_ms <= f->service.now_ms)
		front_accept(f);
	if (f->watch_leases_at_ms && f->watch_leases_at_ms <= f->service.now_ms)
		front_watch_leases(f);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return b && (!a || b < a) ? b : a;
}

/* How long the loop may sleep, in ms; -1: until something happens. */
static int time_left(const struct front *f)
{
	uint64_t now_ms = f->service.now_ms;
	uint64_t next = earlier(f->sessions.next_deadline_ms, f->restock_at_ms);

	next = earlier(next, f->watch_leases_at_ms);
	next = earlier(next, f->accept_at_ms);
	next = earlier(next, f->watchdog.at_ms);
	if (f->handover.grant)
		next = earlier(next, now_ms + HANDOVER_MS);
	if (f->sessions.n_closing)
		next = earlier(next, now_ms + CLOSER_PAUSE_MS);
	if (!next)
		return -1;
	return next > now_ms ? (int)(next - now_ms) : 0;
}

/* --- the loop ------------------------------------------------------------------ */

/* Ends grants first: a client may ask next for what it gave up before. */
static void on_leases(struct front *f, const struct epoll_event *events, int n)
{
	for (int i = 0; i < n; i++)
		if (events[i].data.u64 >> 56 == SOURCE_LEASE)
			on_lease(f, (uint32_t)events[i].data.u64, events[i].data.u64);
}

/* One of n events. */
static int on_event(struct front *f, const struct epoll_event *e, int n)
{
	uint32_t index = (uint32_t)e->data.u64;

	switch ((enum source)(e->data.u64 >> 56)) {
	case SOURCE_LISTENER:
		on_listener(f, n);
		return 0;
	case SOURCE_SIGNALS:
		f->stopping = true;
		return 0;
	case SOURCE_LOADER:
		return on_loader(f);
	case SOURCE_SESSION:
		on_session(f, index, e->data.u64, e->events);
		return 0;
	case SOURCE_LEASE:
		return 0; /* came first */
	case SOURCE_CLOSER:
		return log_error(-ECHILD, "the closer is gone");
	}
	return 0;
}

int loop_turn(struct front *f, int timeout_ms)
{
	struct epoll_event events[EVENTS_PER_TURN];
	int err = f->failure, n;

	if (err)
		return err;
	/* #syscalls:front epoll_wait epoll_pwait */
	n = epoll_wait(f->epoll, events, EVENTS_PER_TURN, timeout_ms);
	f->service.now_ms = clock_ms();
	f->service.accounts.turn++;
	front_finish_handover(f);
	if (n < 0)
		return errno == EINTR ? 0 : log_error(-errno, "epoll_wait");
	on_leases(f, events, n);
	for (int i = 0; i < n && !err; i++)
		err = on_event(f, &events[i], n);
	on_time(f);
	return err ? err : f->failure;
}

int loop_run(struct front *f)
{
	int err = 0;

	front_accept(f);
	while (!err && !f->stopping) {
		err = loop_turn(f, time_left(f));
	}
	front_finish_handover(f);
	return err;
}

static int signals_open(int *ret)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	*ret = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return *ret < 0 ? -errno : 0;
}

/* The listener waits: nobody is served before the pool is full. */
static int loop_watch_all(struct front *f)
{
	int err;

	if ((err = front_watch(f, EPOLL_CTL_ADD, f->signals, EPOLLIN,
			       event_tag(SOURCE_SIGNALS, 0, 0))) ||
	    (err = front_watch(f, EPOLL_CTL_ADD, f->loader->sock, EPOLLIN,
			       event_tag(SOURCE_LOADER, 0, 0))) ||
	    (err = front_watch(f, EPOLL_CTL_ADD, f->listener, 0, event_tag(SOURCE_LISTENER, 0, 0))))
		return err;
	if (f->closer < 0)
		return 0;
	/* Only to see it end: the closer sends nothing. */
	return front_watch(f, EPOLL_CTL_ADD, f->closer, 0, event_tag(SOURCE_CLOSER, 0, 0));
}

/* What the first connections take: without it the front would wait for a free fd for ever. */
static int loop_spare_fds(void)
{
	int spare[2];

	if (pipe2(spare, O_CLOEXEC)) /* #syscalls:front pipe2 */
		return log_error(-errno, "the pool is full, and nothing is left for connections");
	fd_closep(&spare[0]);
	fd_closep(&spare[1]);
	return 0;
}

static int loop_fill_pool(struct front *f)
{
	int err = 0;

	for (unsigned i = 0; i < f->service.objects.n; i++)
		front_restock(f, i);
	while (!err && !f->stopping && !pool_is_full(&f->service.pool)) {
		err = loop_turn(f, time_left(f));
		if (!err && f->loader_rests)
			err = -EAGAIN; /* logged; the service ends and is restarted */
	}
	return err ?: loop_spare_fds();
}

int loop_init(struct front *ret, int *listener, const struct loader_link *loader,
	      const struct front_settings *settings, const struct objects *objects)
{
	int err;

	ret->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (ret->epoll < 0)
		return log_error(-errno, "epoll_create1");
	err = signals_open(&ret->signals);
	if (err)
		return log_error(err, "cannot set up signals");
	ret->listener = fd_take(listener);
	ret->loader = loader;
	ret->policy = settings->policy;
	ret->service.accounts.limits = settings->limits;
	memory_open(&ret->service.memory, settings->limits.memory_percent,
		    settings->limits.memory_mib);
	ret->service.objects = *objects;
	ret->service.started_ms = clock_ms();
	ret->accepting = false;
	sessions_init(&ret->sessions);
	pool_init(&ret->service.pool, loader, &ret->service.objects, settings->pool);
	err = grants_init(&ret->service.grants);
	if (err)
		return log_error(err, "cannot get random bytes");
	err = loop_watch_all(ret);
	if (err)
		return log_error(err, "cannot set up epoll");
	return loop_fill_pool(ret);
}
