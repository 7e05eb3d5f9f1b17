/* SPDX-License-Identifier: MIT */
/* What query-qmp-schema answers: the commands of session.c, described in QEMU's form. */
#pragma once

struct json_object;

/* An array of SchemaInfo, the caller's. */
struct json_object *qmp_schema(void);
