/* SPDX-License-Identifier: MIT */
/*
 * Gives damaged objects to the broker's trial (broker/loader/trial.c), one after the other, as
 * its start does: each must end as a template or with a reason of a known kind, in one line, and
 * leave no process, fd or mapping.  Of templates sets are made, too.
 *
 * usage: damaged FIRST END FILE...
 * The numbers from FIRST to END - 1 say which file is damaged, and how: the same in every run.
 * Prints how many ended how.  Needs root.  Must never hold more than one set.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/common/privileges.h"
#include "broker/loader/trial.h"
#include "tests/unit/damage.h"
#include "tests/unit/open_fds.h"

#define FILES_MAX 8
#define TRIAL_UID 61290 /* in no other test */

#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "damaged: number %u: not so: %s\n", number, #what);        \
			exit(EXIT_FAILURE);                                                        \
		}                                                                                  \
	} while (0)

struct file {
	struct bytes whole, shortened;
};

static unsigned number; /* of the damage that is tried */

/* Reasons by their beginnings. */
static struct kind {
	const char *begin, *name;
	unsigned n;
} kinds[] = {
	{ NULL, "are loaded", 0 },
	{ "libbpf: ", "libbpf refuses, in its own words", 0 },
	{ "libbpf cannot open it: ", "libbpf refuses, with an error alone", 0 },
	{ "libbpf crashed on it: ", "libbpf crashes on", 0 },
	{ "it took more than ", "take too much CPU time", 0 },
	{ "there are ", "have too many programs or maps, or too few", 0 },
	{ "there is a fourth map, ", "have another fourth map", 0 },
	{ "program section ", "have a program of another type", 0 },
	{ "the program is ", "have a program of another name", 0 },
	{ "map ", "have another map", 0 },
	{ "it has variables, ", "have variables", 0 },
	{ "it has no BTF", "have no BTF", 0 },
	{ "it has no license", "have no license", 0 },
	{ "its license is not ", "have a license that is no text", 0 },
	{ "the verifier refuses it (", "the verifier refuses", 0 },
	{ "it cannot be loaded (", "the kernel or libbpf refuses to load", 0 },
	{ "no sets can be made of it: ", "are loaded, but have functions that are never called",
	  0 },
	{ "the process that tried it left a damaged result", "leave a damaged result", 0 },
};

static struct kind *kind_of(const char *why)
{
	for (size_t i = 1; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strncmp(why, kinds[i].begin, strlen(kinds[i].begin)))
			return &kinds[i];
	return NULL;
}

static bool is_a_line(const char *why)
{
	size_t n = strlen(why);

	for (size_t i = 0; i < n; i++)
		if (why[i] < ' ' || why[i] > '~')
			return false;
	return n > 0 && n < OBJECT_CHECK_WHY_MAX;
}

/* --- damage that test_object_check.c does not do ------------------------------------- */

static Elf64_Ehdr elf_header(const struct bytes *good)
{
	Elf64_Ehdr h;

	memcpy(&h, good->data, sizeof(h));
	return h;
}

static size_t section_place(const struct bytes *good)
{
	const Elf64_Ehdr h = elf_header(good);

	return h.e_shoff + next_random() % h.e_shnum * sizeof(Elf64_Shdr);
}

/* A number that somebody may have forgotten. */
static uint64_t odd_number(const struct bytes *good)
{
	const uint64_t odd[] = { 0,	     1,
				 7,	     255,
				 UINT16_MAX, INT32_MAX,
				 UINT32_MAX, INT64_MAX,
				 UINT64_MAX, good->size - 1,
				 good->size, good->size + 1 };
	const uint32_t n = next_random() % (sizeof(odd) / sizeof(odd[0]) + 2);

	return n < sizeof(odd) / sizeof(odd[0]) ? odd[n] : next_random() % (2 * good->size);
}

static void put(struct bytes *b, size_t at, uint64_t value, size_t width)
{
	if (at + width <= b->size)
		memcpy(b->data + at, &value, width);
}

static void truncate_bytes(struct bytes *b, const struct bytes *good)
{
	b->size = next_random() % (b->size + 1);
	b->data = realloc(b->data, b->size ? b->size : 1);
}

static void header_field(struct bytes *b, const struct bytes *good)
{
	static const unsigned char at[][2] = {
		{ 0, 4 },  { 4, 1 },  { 5, 1 },	 { 16, 2 }, { 18, 2 }, { 24, 8 }, { 32, 8 },
		{ 40, 8 }, { 48, 4 }, { 52, 2 }, { 54, 2 }, { 58, 2 }, { 60, 2 }, { 62, 2 },
	};
	const unsigned char *field = at[next_random() % (sizeof(at) / sizeof(at[0]))];

	put(b, field[0], odd_number(good), field[1]);
}

static void section_field(struct bytes *b, const struct bytes *good)
{
	static const unsigned char at[][2] = { { 0, 4 },  { 4, 4 },  { 8, 8 },	{ 16, 8 },
					       { 24, 8 }, { 32, 8 }, { 40, 4 }, { 44, 4 },
					       { 48, 8 }, { 56, 8 } };
	const unsigned char *field = at[next_random() % (sizeof(at) / sizeof(at[0]))];

	put(b, section_place(good) + field[0], odd_number(good), field[1]);
}

static void sections_swapped(struct bytes *b, const struct bytes *good)
{
	const size_t one = section_place(good), other = section_place(good);

	memcpy(b->data + one, good->data + other, sizeof(Elf64_Shdr));
	memcpy(b->data + other, good->data + one, sizeof(Elf64_Shdr));
}

/* A word of a section (BTF, code, symbols, relocations ...), which is not the text of names. */
static void word_of_a_section(struct bytes *b, const struct bytes *good)
{
	Elf64_Shdr s;

	for (uint32_t n = 1 + next_random() % 3; n; n--) {
		memcpy(&s, good->data + section_place(good), sizeof(s));
		if (s.sh_size >= 4)
			put(b, s.sh_offset + next_random() % (s.sh_size / 4) * 4, odd_number(good),
			    next_random() % 2 ? 4 : 2);
	}
}

/* A piece of the file where another should be. */
static void piece_moved(struct bytes *b, const struct bytes *good)
{
	const size_t n = 1 + next_random() % 256, from = next_random() % (good->size - n),
		     to = next_random() % (good->size - n);

	memcpy(b->data + to, good->data + from, n);
}

static void (*const ways[])(struct bytes *b, const struct bytes *good) = {
	damage,
	damage,
	damage,
	damage,
	truncate_bytes,
	header_field,
	section_field,
	section_field,
	sections_swapped,
	word_of_a_section,
	word_of_a_section,
	word_of_a_section,
	piece_moved,
};

/* --- the verifier's share --------------------------------------------------------------- */

/* Section i of an object without damage. */
static Elf64_Shdr section(const struct bytes *good, unsigned i)
{
	Elf64_Shdr s;

	memcpy(&s, good->data + elf_header(good).e_shoff + i * sizeof(s), sizeof(s));
	return s;
}

/* Damaged instructions can keep the verifier busy for a trial's five seconds. */
static void code_restore(struct bytes *b, const struct bytes *good)
{
	for (unsigned i = 0; i < elf_header(good).e_shnum; i++) {
		const Elf64_Shdr s = section(good, i);

		if (s.sh_flags & SHF_EXECINSTR && s.sh_offset + s.sh_size <= b->size)
			memcpy(b->data + s.sh_offset, good->data + s.sh_offset, s.sh_size);
	}
}

/*
 * The object with another beginning of each function, which returns 0.  The verifier follows three
 * instructions instead of thousands; all other parts of the trial have as much to do.
 */
static struct bytes bytes_shortened(const struct bytes *good)
{
	static const struct bpf_insn begin[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = BPF_REG_0, .off = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	struct bytes b = bytes_copy(good, good->size);

	for (unsigned i = 0; i < elf_header(good).e_shnum; i++) {
		const Elf64_Shdr s = section(good, i);
		Elf64_Sym symbol;

		for (size_t at = 0; s.sh_type == SHT_SYMTAB && at < s.sh_size;
		     at += sizeof(symbol)) {
			memcpy(&symbol, good->data + s.sh_offset + at, sizeof(symbol));
			if (ELF64_ST_TYPE(symbol.st_info) == STT_FUNC)
				memcpy(b.data + section(good, symbol.st_shndx).sh_offset +
					       symbol.st_value,
				       begin, sizeof(begin));
		}
	}
	return b;
}

/* --- the trial -------------------------------------------------------------------------- */

/* Those of shared memory never become one with a neighbour. */
static unsigned mappings(void)
{
#ifdef RSSB_SANITIZED /* which map memory of their own */
	return 0;
#endif
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned n = 0;
	int c;

	if (!maps)
		exit(EXIT_FAILURE);
	while ((c = getc(maps)) != EOF)
		n += c == '\n';
	fclose(maps);
	return n;
}

static void set_make(const struct template *t)
{
	struct set_fds set = SET_FDS_INIT;

	CHECK(!template_make(t, &set));
	set_fds_done(&set);
}

static void try(const struct bytes *b, const struct trial_options *o)
{
	char why[OBJECT_CHECK_WHY_MAX] = "";
	struct template t = TEMPLATE_INIT;
	struct kind *kind = kinds;
	int err = trial_run(&t, "damaged", b->data, b->size, o, why);

	CHECK(err <= 0);
	if (err) {
		CHECK(is_a_line(why));
		kind = kind_of(why);
		if (!kind)
			fprintf(stderr, "damaged: %s\n", why);
		CHECK(kind);
	} else {
		set_make(&t);
	}
	kind->n++;
	template_done(&t);
	CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

/* One in 250 is tried with all of its code, one in 2,500 with damage in the code, too. */
#define WHOLE_EACH	  250
#define DAMAGED_CODE_EACH 2500

static void damage_and_try(const struct file *file, const struct trial_options *o)
{
	const unsigned i = number / FILES_MAX;
	const bool code = i % DAMAGED_CODE_EACH == 2, whole = code || i % WHOLE_EACH == 1;
	const struct bytes *good = whole ? &file->whole : &file->shortened;
	struct bytes b = bytes_copy(good, good->size);
	const unsigned n_fds = open_fds(), n_mappings = mappings();

	damage_seed = (number + 1) * 2654435761u ?: 1;
	for (int skipped = 0; skipped < 8; skipped++)
		next_random();
	ways[next_random() % (sizeof(ways) / sizeof(ways[0]))](&b, good);
	if (!code)
		code_restore(&b, good);
	try(&b, o);
	CHECK(open_fds() == n_fds && mappings() == n_mappings);
	free(b.data);
}

static struct file file_read(const char *path)
{
	FILE *file = fopen(path, "re");
	struct bytes b = { NULL, 0 };
	struct stat st;

	if (!file || fstat(fileno(file), &st) || !(b.data = malloc((size_t)st.st_size)) ||
	    fread(b.data, 1, (size_t)st.st_size, file) != (size_t)st.st_size) {
		perror(path);
		exit(2);
	}
	b.size = (size_t)st.st_size;
	fclose(file);
	return (struct file){ b, bytes_shortened(&b) };
}

static void file_done(struct file *file)
{
	free(file->whole.data);
	free(file->shortened.data);
}

int main(int argc, char **argv)
{
	static const struct identity id = { TRIAL_UID, TRIAL_UID, true };
	struct file files[FILES_MAX];
	struct trial_options o = { &id, PRIVILEGES_CAPS_BPF_PERFMON, .n_blocks = 2 };
	unsigned n_files = 0, first, end;

	if (argc < 4 || argc > 3 + FILES_MAX)
		return 2;
	first = (unsigned)strtoul(argv[1], NULL, 10);
	end = (unsigned)strtoul(argv[2], NULL, 10);
	for (int i = 3; i < argc; i++)
		files[n_files++] = file_read(argv[i]);
	for (number = first; number < end; number++)
		damage_and_try(&files[number % n_files], &o);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].n)
			printf("%u %s\n", kinds[i].n, kinds[i].name);
	for (unsigned i = 0; i < n_files; i++)
		file_done(&files[i]);
	return EXIT_SUCCESS;
}
