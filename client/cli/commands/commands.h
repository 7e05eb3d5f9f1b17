/* SPDX-License-Identifier: MIT */
/* The commands of rssb, each listed in main.c; what they return is in util/cli.h. */
#pragma once

#include "client/cli/util/cli.h"

extern const struct command cmd_attach, cmd_balance, cmd_detach, cmd_doctor, cmd_export;
extern const struct command cmd_extract, cmd_hash, cmd_hotplug, cmd_info, cmd_qmp, cmd_release;
extern const struct command cmd_run, cmd_status, cmd_top, cmd_unplug, cmd_update;
