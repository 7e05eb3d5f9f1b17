/* SPDX-License-Identifier: MIT */
/*
 * Gives a harness each file of each directory (or each file) that is named, as
 * libFuzzer would, and says how many those were.  So corpora and past crashes are
 * replayed by a build without libFuzzer.  It must never pass over a file.
 */
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include "tests/fuzz/lib/fuzz.h"

static unsigned replayed;

static void fail(const char *path)
{
	fprintf(stderr, "replay: %s: %s\n", path, strerrordesc_np(errno));
	exit(EXIT_FAILURE);
}

static void replay_file(const char *path, size_t size)
{
	FILE *file = fopen(path, "re");
	uint8_t *data = malloc(size ? size : 1);

	if (!file || !data || fread(data, 1, size, file) != size)
		fail(path);
	fclose(file);
	/* The last one named is the one that fell. */
	if (getenv("REPLAY_VERBOSE"))
		fprintf(stderr, "replay: %s\n", path);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	replayed++;
}

static void replay(const char *path);

static void replay_directory(const char *path)
{
	struct dirent **entries;
	int n = scandir(path, &entries, NULL, alphasort);

	if (n < 0)
		fail(path);
	for (int i = 0; i < n; i++) {
		char inside[4096];

		snprintf(inside, sizeof(inside), "%s/%s", path, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.')
			replay(inside);
		free(entries[i]);
	}
	free(entries);
}

static void replay(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		fail(path);
	if (S_ISDIR(st.st_mode))
		replay_directory(path);
	else
		replay_file(path, (size_t)st.st_size);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	printf("replayed %u\n", replayed);
	return EXIT_SUCCESS;
}
