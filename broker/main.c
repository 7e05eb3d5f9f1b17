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

#include "names.h"
#include "activation.h"
#include "fd.h"
#include "loop.h"
#include "listen.h"
#include "log.h"
#include "options.h"

/* Whom to run as: the user of --user where that can be done, else who we are. */
static int identity_choose(const char *user, struct identity *ret)
{
	int err;

	*ret = (struct identity){ geteuid(), getegid(), sandbox_may_change_id() };
	if (!ret->change) {
		if (ret->uid == 0)
			log_notice("no CAP_SETUID: staying uid 0, without its capabilities");
		return 0;
	}
	err = name_to_identity(user, ret);
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

	if (o->policy.n_uids || o->policy.n_gids) {
		listen.mode = 0666;
		return listen;
	}
	if (policy_allow_group(&o->policy, BROKER_GROUP))
		log_notice("there is no group " BROKER_GROUP ": only root may make requests "
			   "(groupadd --system " BROKER_GROUP " makes it)");
	else if (geteuid() == 0)
		listen.group = o->policy.gids[0];
	return listen;
}

/* The listener, and the line to the service manager, which may be root's alone. */
static int listener_get(struct activation *a, struct options *o, int *ret_sock, int *ret_lock,
			bool *ret_early)
{
	const struct listen_options listen = socket_options(o);

	activation_connect(a);

	if (!a->n_fds)
		return listen_make(&listen, ret_sock, ret_lock);
	*ret_early = true;
	return activation_take(a, ret_sock);
}

static int objects_get(struct objects *ret, const struct options *o)
{
	int err = objects_init(ret);

	return err || !o->objects ? err : objects_read(ret, o->objects);
}

/* Those that the kernel did not load are left out. */
static int objects_confirm(struct objects *objects, struct loader *loader)
{
	uint32_t numbers;
	int err = loader_wait_ready(loader, &numbers);

	if (!err)
		objects_keep(objects, numbers);
	return err;
}

/* Only where the kernel cannot refuse fds from clients, or where they could come before we did. */
static int closer_get(struct closer *ret, int listener, bool early, const struct identity *id)
{
	*ret = (struct closer)CLOSER_INIT;
	return early || listen_refuse_fds(listener) ? closer_start(ret, id) : 0;
}

static int front_serve(struct front *front, struct activation *a)
{
	int err;

	err = sandbox_seal_front(); /* nothing opens again */
	if (err)
		return err;
	log_info("ready: %zu objects", front->service.objects.n);
	return loop_run(front, a);
}

static int serve(struct options *o, struct activation *a)
{
	static struct front front; /* all of the front's memory */
	_cleanup_fd_ int listener = -1, lock = -1;
	enum sandbox_caps caps = o->perfmon ? SANDBOX_CAPS_BPF_PERFMON : SANDBOX_CAPS_BPF;
	struct loader loader = LOADER_INIT;
	struct identity id;
	struct objects objects;
	bool early = false; /* the listener took connections that could bring fds */
	int err;

	if ((err = objects_get(&objects, o)) || (err = sandbox_has(caps)) ||
	    (err = identity_choose(o->user, &id)) ||
	    (err = loader_start(&loader, &objects, &id, caps)) || /* it keeps no other fd */
	    (err = listener_get(a, o, &listener, &lock,
				&early)) || /* last use of the file system */
	    (err = closer_get(&front.closer, listener, early, &id)) ||
	    (err = sandbox_drop(&id, SANDBOX_CAPS_NONE)) || /* no capability from here on */
	    (err = objects_confirm(&objects, &loader)) ||   /* each was loaded once */
	    (err = loop_init(&front, &listener, &loader, o, &objects)) ||
	    (err = front_serve(&front, a)))
		log_debug("ending: %s", strerrordesc_np(-err));
	loader_done(&loader);
	return err;
}

int main(int argc, char **argv)
{
	struct activation activation;
	struct options options;
	int r;

	if (argc < 1)
		return EXIT_FAILURE;
	log_open();
	r = options_parse(&options, argc, argv);
	if (r)
		return r < 0 ? 2 : EXIT_SUCCESS;
	log_set_level(options.log_level);
	activation_read(&activation);
	if (sandbox_begin(activation.n_fds))
		return EXIT_FAILURE;
	return serve(&options, &activation) ? EXIT_FAILURE : EXIT_SUCCESS;
}
