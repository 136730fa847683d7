/*
 * standing.h -- does all stand as the last run left it, so that a run would only say again what that one said?
 *
 * A run that executed nothing, and whose inputs, outputs and proof lay still meanwhile, leaves a note: what it was asked, and each path that
 * its answer hung on. As long as these look the same (device, inode, size, mode, mtime, ctime: the rule of the file-hash cache, and nothing
 * younger than the run that read it), the next one reads no Aicertfile, opens no store and attests nothing: the proof stays.
 *
 * Nothing is ever attested by a note. Who can write one (it lies in the data folder, beside the keys) could at most keep a run from
 * running; the proof that stands is judged by its verifier as any other.
 *
 * Format of <data>/standing/<SHA-256 of the three places>: "aicert standing 1 <state> <root> <steps>\n", then the paths: a letter (standing.c) and the
 * path each, ended by NUL. <state> is the SHA-256 of what was asked and of how each path looks.
 *
 * Depends on: job.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_STANDING_H
#define AI_STANDING_H

#include <time.h>

#include "run/run.h"

struct ai_job;

/* 1: it stands, and *report is filled in (ai_run_report_done frees); 0: it does not, or nobody knows. */
int ai_standing_look(const struct ai_run_options *options, struct ai_run_report *report, struct ai_err *err) AI_CHECKED;

/* Leaves the note of a job that is done and written, where it may; began: CLOCK_REALTIME_COARSE from before the job was opened. */
int ai_standing_keep(struct ai_job *job, const struct timespec *began, struct ai_err *err) AI_CHECKED;

#endif
