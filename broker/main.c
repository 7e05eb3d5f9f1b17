/* SPDX-License-Identifier: MIT */
/*
 * rss-broker: loads RSS programs for those who may not.  The order of the calls
 * in serve() is the security document in short; docs/security.md is the long one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/closer/process.h"
#include "broker/common/log.h"
#include "broker/front/loop.h"
#include "broker/loader/process.h"
#include "broker/start/listen.h"
#include "broker/start/objects.h"
#include "broker/start/options.h"
#include "broker/start/service_manager.h"
#include "broker/start/user_lookup.h"
#include "proto/util/fd.h"
#include "proto/util/refuse_fds.h"

/* Whom to run as: the user of --user if this process may change its ids, else itself. */
static int identity_choose(const char *user, struct identity *ret)
{
	int err;

	*ret = (struct identity){ geteuid(), getegid(), privileges_may_change_id() };
	if (!ret->change) {
		if (ret->uid == 0)
			log_notice("no CAP_SETUID, so --user is not used: staying uid 0, without "
				   "its capabilities");
		return 0;
	}
	err = user_lookup(user, ret);
	if (err) {
		log_line(LOG_ERR,
			 "there is no user %s; this makes one: useradd --system --user-group "
			 "--no-create-home --shell /usr/sbin/nologin %s",
			 user, user);
		return err;
	}
	if (ret->uid == 0 || ret->uid == 65534) {
		log_line(LOG_ERR,
			 "--user %s is uid %u: a uid shared with others can kill the broker; name "
			 "a user of its own, such as " BROKER_USER,
			 user, ret->uid);
		return -EINVAL;
	}
	return 0;
}

/* Root and the group rss-broker by default; with --allow-... the socket is open to
 * all, and the policy decides. */
static struct listen_options socket_options(struct options *o)
{
	struct listen_options listen = { .path = o->socket, .mode = 0660, .group = (gid_t)-1 };

	if (o->front.policy.n_uids || o->front.policy.n_gids) {
		listen.mode = 0666;
		o->front.policy.named = true;
		return listen;
	}
	if (policy_allow_group(&o->front.policy, BROKER_GROUP))
		log_notice("there is no group " BROKER_GROUP ": only root may make requests "
			   "(groupadd --system " BROKER_GROUP " makes it)");
	else if (geteuid() == 0)
		listen.group = o->front.policy.gids[0];
	return listen;
}

/* Gets the listener, and connects to the service manager, whose socket only root may reach. */
static int listener_get(struct service_manager *a, struct options *o, int *ret_sock, int *ret_lock,
			bool *ret_early)
{
	const struct listen_options listen = socket_options(o);

	service_manager_connect(a);

	if (!a->n_fds)
		return listen_make(&listen, ret_sock, ret_lock);
	*ret_early = true;
	return service_manager_take(a, ret_sock);
}

/*
 * Opens and loads each object once, in a child that ends, and starts the loader with the templates
 * that these children leave.
 */
static int loader_get(struct objects *ret, const struct options *o, const struct identity *id,
		      enum privileges_caps caps, struct loader_link *ret_loader)
{
	static struct templates templates;
	struct objects_trials trials = { ret, &templates, { .id = id, .caps = caps } };
	int err = objects_init(&trials);

	if (!err && o->objects)
		err = objects_read(&trials, o->objects);
	if (!err)
		err = loader_start(&templates, id, caps, &ret_loader->sock, &ret_loader->pid);
	for (size_t i = 0; i < templates.n; i++)
		template_done(&templates.list[i]);
	return err;
}

/*
 * Starts the closer only where fds from clients can come: the kernel cannot refuse them, or the
 * listener was there before.
 */
static int closer_get(int *ret, int listener, bool early, const struct identity *id)
{
	*ret = -1;
	return early || socket_refuse_fds(listener) ? closer_start(id, ret) : 0;
}

static int front_serve(struct front *front, struct service_manager *a)
{
	int err;

	/* Closes the line to the service manager, or leaves it to the watchdog alone. */
	service_manager_say_ready(a, &front->watchdog);
	err = seccomp_start(PROCESS_FRONT); /* nothing is opened from here on */
	if (err)
		return err;
	log_info("ready: %zu objects", front->service.objects.n);
	return loop_run(front);
}

static int serve(struct options *o, struct service_manager *a)
{
	static struct front front; /* all of the front's memory */
	_cleanup_fd_ int listener = -1, lock = -1;
	enum privileges_caps caps = o->no_perfmon ? PRIVILEGES_CAPS_BPF
						  : PRIVILEGES_CAPS_BPF_PERFMON;
	struct loader_link loader = { .sock = -1 };
	struct identity id;
	struct objects objects = { 0 };
	bool early = false; /* the listener was inherited: its connections may already bring fds */
	int err;

	if ((err = privileges_has(caps)) || (err = identity_choose(o->user, &id)) ||
	    (err = loader_get(&objects, o, &id, caps, &loader)) ||
	    (err = listener_get(a, o, &listener, &lock,
				&early)) || /* last use of the file system */
	    (err = closer_get(&front.closer, listener, early, &id)) ||
	    (err = privileges_drop(&id, PRIVILEGES_CAPS_NONE)) || /* no capability from here on */
	    (err = loader_link_wait_ready(&loader)) ||
	    (err = loop_init(&front, &listener, &loader, &o->front, &objects)) ||
	    (err = front_serve(&front, a)))
		log_debug("ending: %s", strerrordesc_np(-err));
	fd_closep(&loader.sock); /* the loader reads that this was the last, and ends */
	return err;
}

int main(int argc, char **argv)
{
	struct service_manager activation;
	struct options options;
	int r;

	if (argc < 1)
		return EXIT_FAILURE;
	log_open();
	r = options_parse(&options, argc, argv);
	if (r)
		return r < 0 ? 2 : EXIT_SUCCESS;
	log_set_level(options.log_level);
	if (service_manager_read(&activation) || privileges_begin(activation.n_fds))
		return EXIT_FAILURE;
	return serve(&options, &activation) ? EXIT_FAILURE : EXIT_SUCCESS;
}
