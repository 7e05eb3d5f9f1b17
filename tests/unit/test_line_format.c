/* SPDX-License-Identifier: MIT */
/* A log line's text is what vsnprintf(3) makes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "broker/common/line_format.h"

/* With every size of the buffer, too small ones among them. */
static void __attribute__((format(printf, 1, 2))) same(const char *format, ...)
{
	for (size_t size = 1; size < 120; size++) {
		char want[128], is[128];
		va_list args;
		size_t n;

		memset(is, 'x', sizeof(is));
		va_start(args, format);
		vsnprintf(want, size, format, args);
		va_end(args);
		va_start(args, format);
		n = line_format(is, size, format, args);
		va_end(args);
		assert_string_equal(is, want);
		assert_int_equal(n, strlen(want));
		for (size_t i = size; i < sizeof(is); i++)
			assert_int_equal(is[i], 'x');
	}
}

static void conversions(void **state)
{
	same("nothing");
	same("%s", "");
	same("a %s b", "text");
	same("%.4s|%.16s|%.0s|", "longer", "short", "none");
	same("%d %d %d", 0, INT_MAX, INT_MIN);
	same("%u %u", 0, UINT_MAX);
	same("%lu %llu %zu", ULONG_MAX, ULLONG_MAX, (size_t)7);
	same("100 %% of %u%%", 5);
	same("ACQUIRE uid=%u label=%s pid=%d grant=%llu", 1000, "vm-1", 77, 1ull << 52);
}

static void unknown_conversions(void **state)
{
	same("%x %s", 255, "text");
	same("%5d|%-5s|%c", 7, "a", 'b');
}

/* The byte behind %.Ns need not be there. */
static void bounded_string(void **state)
{
	const char four[4] = { 'a', 'b', 'c', 'd' };

	same("%.4s", four);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conversions),
		cmocka_unit_test(unknown_conversions),
		cmocka_unit_test(bounded_string),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
