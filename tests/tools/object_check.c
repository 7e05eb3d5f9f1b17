/* SPDX-License-Identifier: MIT */
/*
 * Says of each file what object_check() says of its bytes: "FILE: ok N maps, LICENSE"
 * or "FILE: why not".  Exit status 1 if one is not of the ABI.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "bpf/object_check.h"

static void *read_file(const char *path, size_t *ret_size)
{
	FILE *file = fopen(path, "re");
	struct stat st;
	char *data;

	if (!file || fstat(fileno(file), &st)) {
		perror(path);
		exit(2);
	}
	*ret_size = (size_t)st.st_size;
	data = malloc(*ret_size + 1);
	if (!data || fread(data, 1, *ret_size, file) != *ret_size) {
		perror(path);
		exit(2);
	}
	fclose(file);
	return data;
}

int main(int argc, char **argv)
{
	int status = 0;

	for (int i = 1; i < argc; i++) {
		char why[OBJECT_CHECK_WHY_MAX] = "no reason given";
		struct object_check shape;
		size_t size;
		void *data = read_file(argv[i], &size);

		if (object_check(&shape, data, size, why)) {
			printf("%s: %s\n", argv[i], why);
			status = 1;
		} else {
			printf("%s: ok %u maps%s, %s\n", argv[i], shape.n_maps,
			       shape.counts ? " that count" : "", shape.license);
		}
		free(data);
	}
	return status;
}
