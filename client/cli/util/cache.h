/* SPDX-License-Identifier: MIT */
/*
 * Small texts that a user's rssb keeps from one run to the next: in $XDG_CACHE_HOME/rss-broker,
 * else ~/.cache/rss-broker.  Nothing is written and nothing read where another user could write:
 * the folder above must be the caller's and nobody else's to write, "rss-broker" the caller's
 * alone (0700), the file a regular one of the caller's, and none of them a symlink.  A process
 * that runs with more rights than its caller has (setuid, file capabilities) keeps none.  A file
 * begins with rssb's version and the SHA-256 of what follows: a file of another version, or a
 * damaged one, is not read.  No failure is reported: the caller goes on without the text.
 */
#pragma once

/* What cache_write() kept under this name; NULL: nothing.  To be freed. */
char *cache_read(const char *name);

/* Replaces the text of this name at once, or leaves the old one. */
void cache_write(const char *name, const char *text);
