/* SPDX-License-Identifier: MIT */
/* The log: what a line looks like, and that a log that nobody reads stops nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "broker/common/log.h"
#include "tests/unit/capture.h"

#define IDLE_MS 1000000 /* after that every bucket is full */

static uint64_t now_ms = 1000;

/* In place of libc's: time passes when a test says so, and each count is exact. */
int clock_gettime(clockid_t clock, struct timespec *ret)
{
	*ret = (struct timespec){ .tv_sec = (time_t)(now_ms / 1000),
				  .tv_nsec = (long)(now_ms % 1000 * 1000000) };
	return 0;
}

static void lines(void **state)
{
	struct capture said;

	capture_begin(&said, STDERR_FILENO);
	log_open();
	log_info("hello %d", 7);
	log_debug("not shown");
	log_line(LOG_ERR, "bad");
	assert_int_equal(log_error(-EPERM, "cannot %s", "jump"), -EPERM);
	assert_int_equal(log_error(-12345, "what"), -12345);
	capture_end(&said);
	assert_string_equal(said.text, "<6>rss-broker: hello 7\n"
				       "<3>rss-broker: bad\n"
				       "<3>rss-broker: cannot jump: Operation not permitted\n"
				       "<3>rss-broker: what: unknown error\n");
}

static void level(void **state)
{
	struct capture said;

	capture_begin(&said, STDERR_FILENO);
	log_set_level(LOG_WARNING);
	log_info("no");
	log_notice("no");
	log_warning("yes");
	log_set_level(LOG_DEBUG);
	log_debug("yes");
	log_set_level(LOG_INFO);
	capture_end(&said);
	assert_string_equal(said.text, "<4>rss-broker: yes\n<7>rss-broker: yes\n");
}

/* Cut, but still one whole line. */
static void long_line(void **state)
{
	struct capture said;
	size_t len;

	capture_begin(&said, STDERR_FILENO);
	log_info("%03000d", 1);
	log_error(-EPERM, "%03000d", 1);
	log_info("next");
	capture_end(&said);
	len = (size_t)(strchr(said.text, '\n') - said.text);
	assert_in_range(len, 900, 1024);
	assert_non_null(strstr(said.text, "0\n<3>rss-broker: 000"));
	assert_non_null(strstr(said.text, "\n<6>rss-broker: next\n"));
}

static char piped[1 << 20];

/* Reads what is in a pipe into piped; returns how many lines. */
static unsigned drain(int fd)
{
	ssize_t n = read(fd, piped, sizeof(piped) - 1);
	unsigned n_lines = 0;

	assert_true(n > 0);
	piped[n] = '\0';
	for (const char *c = piped; (c = strchr(c, '\n')); c++)
		n_lines++;
	return n_lines;
}

/* Nobody reads stderr: lines are dropped and counted, and nothing waits. */
static void full_pipe(void **state)
{
	const unsigned n = 2000;
	unsigned written;
	char want[100];
	int pipefd[2], saved = dup(STDERR_FILENO);

	assert_int_equal(pipe2(pipefd, O_CLOEXEC), 0);
	assert_int_equal(dup2(pipefd[1], STDERR_FILENO), STDERR_FILENO);
	for (unsigned i = 0; i < n; i++)
		log_warning("%0100u", i);
	written = drain(pipefd[0]);
	log_warning("after");
	drain(pipefd[0]);
	assert_int_equal(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK, 0); /* it is shared */
	dup2(saved, STDERR_FILENO);
	fd_closep(&saved);
	fd_closep(&pipefd[0]);
	fd_closep(&pipefd[1]);

	assert_in_range(written, 100, n - 1);
	snprintf(want, sizeof(want),
		 "<4>rss-broker: %u log lines were dropped\n<4>rss-broker: after\n", n - written);
	assert_string_equal(piped, want);
}

static unsigned count(const char *text, const char *line)
{
	unsigned n = 0;

	for (const char *c = text; (c = strstr(c, line)); c++)
		n++;
	return n;
}

/* Lines that clients can cause are bounded, also in a file; what is wrong is said all the same. */
static void flood(void **state)
{
	static struct capture said;

	now_ms += IDLE_MS;
	capture_begin(&said, STDERR_FILENO);
	for (unsigned i = 0; i < 10000; i++)
		log_info("x");
	log_error(-EIO, "y");
	now_ms += 1000; /* gives back a hundred lines */
	for (unsigned i = 0; i < 10000; i++)
		log_info("z");
	capture_end(&said);
	assert_int_equal(count(said.text, "x\n"), 1000);
	assert_int_equal(count(said.text, "z\n"), 100);
	assert_non_null(strstr(said.text, " log lines were dropped\n<3>rss-broker: y: "));
}

/* One takes all that it can: there is room for the others, and it is told how much was lost. */
static void a_share(void **state)
{
	static struct capture said;
	struct log_share loud = { 0 }, quiet = { 0 };
	unsigned n;
	char want[80];

	now_ms += IDLE_MS;
	assert_true(log_share_is_idle(&loud));
	capture_begin(&said, STDERR_FILENO);
	for (unsigned i = 0; i < 1000; i++)
		log_line_of(&loud, LOG_INFO, "loud");
	log_line_of(&quiet, LOG_INFO, "quiet");
	log_line_of(&loud, LOG_WARNING, "what is wrong");
	log_line_of(&loud, LOG_WARNING, "once more");
	capture_end(&said);
	n = count(said.text, "loud\n");
	assert_int_equal(n, 512);
	assert_non_null(strstr(said.text, "rss-broker: quiet\n"));
	snprintf(want, sizeof(want), "what is wrong left_out=%u\n<4>rss-broker: once more\n",
		 1000 - n);
	assert_non_null(strstr(said.text, want));
	assert_false(log_share_is_idle(&loud));
}

static void closed_stderr(void **state)
{
	int saved = dup(STDERR_FILENO);

	close(STDERR_FILENO);
	log_info("into nowhere");
	assert_int_equal(log_error(-EIO, "into nowhere"), -EIO);
	dup2(saved, STDERR_FILENO);
	fd_closep(&saved);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),	 cmocka_unit_test(level),
		cmocka_unit_test(long_line),	 cmocka_unit_test(full_pipe),
		cmocka_unit_test(a_share),	 cmocka_unit_test(flood),
		cmocka_unit_test(closed_stderr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
