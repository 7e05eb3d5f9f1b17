/* SPDX-License-Identifier: MIT */
/* The commands of rssb, a row each in main.c; what they return is in util/cli.h. */
#pragma once

#include "client/cli/util/cli.h"

int cmd_attach(struct cli *cli, int argc, char **argv);
int cmd_balance(struct cli *cli, int argc, char **argv);
int cmd_detach(struct cli *cli, int argc, char **argv);
int cmd_doctor(struct cli *cli, int argc, char **argv);
int cmd_export(struct cli *cli, int argc, char **argv);
int cmd_extract(struct cli *cli, int argc, char **argv);
int cmd_hash(struct cli *cli, int argc, char **argv);
int cmd_hotplug(struct cli *cli, int argc, char **argv);
int cmd_info(struct cli *cli, int argc, char **argv);
int cmd_qmp(struct cli *cli, int argc, char **argv);
int cmd_release(struct cli *cli, int argc, char **argv);
int cmd_run(struct cli *cli, int argc, char **argv);
int cmd_status(struct cli *cli, int argc, char **argv);
int cmd_top(struct cli *cli, int argc, char **argv);
int cmd_unplug(struct cli *cli, int argc, char **argv);
int cmd_update(struct cli *cli, int argc, char **argv);
