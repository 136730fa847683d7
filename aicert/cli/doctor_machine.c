/* doctor_machine.c -- program, kernel, memory, clock, home, disk (doctor.h).  SPDX-License-Identifier: Apache-2.0 */
#include <gnu/libc-version.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "aicert.h"
#include "base/buf.h"
#include "base/path.h"
#include "cli/doctor.h"

#define GIB (1024.0 * 1024 * 1024)

static void
check_program(struct ai_checkup *c)
{
	struct utsname u;
	unsigned major = 0, minor = 0;
	ai_checkup_add(c, "aicert", AI_FINDING_OK, NULL, "%s, glibc %s", aicert_version(), gnu_get_libc_version());
	if (uname(&u) < 0 || sscanf(u.release, "%u.%u", &major, &minor) != 2) {
		ai_checkup_add(c, "kernel", AI_FINDING_WARN, NULL, "its version cannot be told");
		return;
	}
	/* 5.11: overlay in user namespaces; 5.13: Landlock. */
	bool old = major < 5 || (major == 5 && minor < 11), no_landlock = major == 5 && minor < 13;
	ai_checkup_add(c, "kernel", old ? AI_FINDING_WARN : AI_FINDING_OK, old ? "use Linux 5.11 or newer; older ones need root" : NULL, "Linux %s, %s%s", u.release,
		u.machine, !old && no_landlock ? "; 5.13 and newer have Landlock" : "");
}

static void
check_memory(struct ai_checkup *c)
{
	cpu_set_t ours;
	CPU_ZERO(&ours);
	int cpus = sched_getaffinity(0, sizeof ours, &ours) == 0 ? CPU_COUNT(&ours) : 1;
	double size = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
	ai_checkup_add(c, "memory", size < GIB ? AI_FINDING_WARN : AI_FINDING_OK, size < GIB ? "a gibibyte is little for a training" : NULL,
		"%.1f GiB, %d processor%s", size / GIB, cpus, cpus == 1 ? "" : "s");
}

static void
check_clock(struct ai_checkup *c)
{
	enum { THIS_WAS_WRITTEN = 1735689600 /* 2025-01-01 */ };
	char text[32];
	time_t now = time(NULL);
	struct tm t;
	strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &t));
	ai_checkup_add(c, "clock", now < THIS_WAS_WRITTEN ? AI_FINDING_FAIL : AI_FINDING_OK,
		now < THIS_WAS_WRITTEN ? "set it (timedatectl set-ntp true): claims say when they were made, and certificates are judged by it" : NULL, "%s", text);
}

static void
check_home(struct ai_checkup *c, const char *what, const char *folder)
{
	AI_FREE char *there = ai_checkup_there(folder);
	struct stat st;
	if (!there || stat(there, &st) < 0 || access(there, W_OK | X_OK) < 0)
		ai_checkup_add(c, what, AI_FINDING_FAIL, "set AICERT_HOME to a folder that you may write", "%s cannot be written", there ? there : folder);
	else if (strcmp(there, folder) == 0 && ((st.st_uid != geteuid() && st.st_uid != 0) || st.st_mode & S_IWOTH))
		ai_checkup_add(c, what, AI_FINDING_FAIL, "set AICERT_HOME to a folder of your own", "%s belongs to another user, or anybody may write there", folder);
	else
		ai_checkup_add(c, what, AI_FINDING_OK, NULL, "%s%s", folder, strcmp(there, folder) == 0 ? "" : " (made at the first run)");
}

static void
check_disk(struct ai_checkup *c)
{
	AI_FREE char *there = ai_checkup_there(c->home.cache);
	struct statvfs v;
	if (!there || statvfs(there, &v) < 0) {
		ai_checkup_add(c, "disk", AI_FINDING_WARN, NULL, "%s: how much is free cannot be told", c->home.cache);
		return;
	}
	double free_bytes = (double)v.f_bavail * (double)v.f_frsize;
	bool full = free_bytes < GIB / 16 || (v.f_files && v.f_favail < 1000), little = free_bytes < 5 * GIB;
	ai_checkup_add(c, "disk", full ? AI_FINDING_FAIL : little ? AI_FINDING_WARN : AI_FINDING_OK,
		full || little ? "make room, or set AICERT_HOME to a folder on a larger disk: every input and result is kept there" : NULL,
		"%.1f GiB free for the cache%s", free_bytes / GIB, v.f_files && v.f_favail < 1000 ? ", and no more files" : "");
}

/* Which file holds the roots that servers are judged by. */
static void
check_roots(struct ai_checkup *c)
{
	static const char *const places[] = { "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem" };
	const char *given = getenv("SSL_CERT_FILE"), *found = given && access(given, R_OK) == 0 ? given : NULL;
	for (size_t i = 0; !found && i < sizeof places / sizeof *places; i++)
		if (access(places[i], R_OK) == 0)
			found = places[i];
	ai_checkup_add(c, "certificates", found ? AI_FINDING_OK : AI_FINDING_WARN, found ? NULL : "apt-get install ca-certificates: nothing is fetched by https without",
		"%s", found ? found : "there are no roots for https");
}

void
ai_doctor_machine(struct ai_checkup *c)
{
	check_program(c);
	check_memory(c);
	check_clock(c);
	check_home(c, "cache", c->home.cache);
	check_home(c, "data", c->home.data);
	check_disk(c);
	check_roots(c);
}
