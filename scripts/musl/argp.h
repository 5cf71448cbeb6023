/* What elfutils wants of glibc's argp when it is configured. Declarations alone: libelf calls none of it. */
#pragma once
#include <errno.h>
#include <stdio.h>

typedef int error_t;
struct argp;
struct argp_state;
typedef error_t (*argp_parser_t)(int, char *, struct argp_state *);

struct argp_option {
	const char *name;
	int key;
	const char *arg;
	int flags;
	const char *doc;
	int group;
};

struct argp_child {
	const struct argp *argp;
	int flags;
	const char *header;
	int group;
};

struct argp {
	const struct argp_option *options;
	argp_parser_t parser;
	const char *args_doc, *doc;
	const struct argp_child *children;
	char *(*help_filter)(int, const char *, void *);
	const char *argp_domain;
};

struct argp_state {
	const struct argp *root_argp;
	char *name;
};

enum {
	OPTION_ARG_OPTIONAL = 1,
	OPTION_HIDDEN = 2,
	ARGP_HELP_SEE = 1,
	ARGP_HELP_EXIT_ERR = 0x100,
	ARGP_ERR_UNKNOWN = E2BIG
};

void argp_help(const struct argp *, FILE *, unsigned, char *);
