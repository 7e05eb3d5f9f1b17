/* SPDX-License-Identifier: MIT */
/*
 * Memory that cannot be had ends the process, with a line that says so: of the
 * libraries that start-up goes through some crash then, and one makes half a
 * seccomp filter.  Once it serves the front allocates nothing.
 *
 * Only where the C library is glibc, and not with sanitizers, whose allocator is
 * their own: there malloc(3) stays as it is.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "broker/common/log.h"

#if defined(__GLIBC__) && !defined(RSSB_SANITIZED)

/* More than anybody here needs: asked for because of a damaged object file, which is left out. */
#define PLAUSIBLE_MAX (16u << 20)

#define EXPORTED __attribute__((visibility("default"))) /* the libraries' calls come here, too */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

static void *must(void *p, size_t size)
{
	if (!p && size && size <= PLAUSIBLE_MAX) {
		log_line(LOG_ERR, "out of memory: there are no %zu bytes", size);
		_exit(EXIT_FAILURE);
	}
	return p;
}

EXPORTED void *malloc(size_t size)
{
	return must(__libc_malloc(size), size);
}

EXPORTED void *calloc(size_t nmemb, size_t size)
{
	bool huge = nmemb && size > PLAUSIBLE_MAX / nmemb;

	return must(__libc_calloc(nmemb, size), huge ? SIZE_MAX : nmemb * size);
}

EXPORTED void *realloc(void *ptr, size_t size)
{
	return must(__libc_realloc(ptr, size), size);
}

#endif
