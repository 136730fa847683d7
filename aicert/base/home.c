/* home.c -- see home.h.  SPDX-License-Identifier: Apache-2.0 */
#include "base/home.h"

#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"

/* $xdg/aicert, else ~/fallback/aicert; relative XDG values are to be ignored (XDG Base Directory, 0.8). */
static char *
place(const char *xdg, const char *home, const char *fallback)
{
	const char *v = getenv(xdg);
	if (v && v[0] == '/')
		return ai_join(v, "aicert");
	return ai_format("%s/%s/aicert", home, fallback);
}

int
ai_home_find(const char *override, struct ai_home *out, struct ai_err *err)
{
	const char *all = override ? override : getenv("AICERT_HOME");
	struct ai_home h = { NULL, NULL };
	if (all && *all) {
		AI_FREE char *abs = ai_abspath(all);
		h.cache = abs ? ai_join(abs, "cache") : NULL;
		h.data = abs ? ai_join(abs, "data") : NULL;
	} else {
		const char *home = getenv("HOME");
		if (!home || home[0] != '/') {
			struct passwd *pw = getpwuid(geteuid());
			home = pw ? pw->pw_dir : NULL;
		}
		if (!home) {
			const char *given = getenv("HOME");
			ai_fail(err, AI_EENV, "home: no home folder: got HOME='%s', expected an absolute path", given ? given : "");
			return ai_hint(err, "set HOME, or AICERT_HOME to a folder for aicert alone");
		}
		h.cache = place("XDG_CACHE_HOME", home, ".cache");
		h.data = place("XDG_DATA_HOME", home, ".local/share");
	}
	if (!h.cache || !h.data) {
		ai_home_done(&h);
		return ai_nomem(err);
	}
	*out = h;
	return 0;
}

/*
 * Whoever owns the folder, or may write there, has the keys, says which results are known, and moves what is being written: root in the home of
 * a user (sudo -E), or anybody in one that another made ready under /tmp.
 */
static int
check_owner(const char *folder, struct ai_err *err)
{
	struct stat st;
	if (stat(folder, &st) < 0)
		return ai_fail_errno(err, AI_EENV, "home: %s", folder);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		ai_fail(err, AI_EENV, "home: %s: belongs to another user, uid %u", folder, (unsigned)st.st_uid);
	else if (st.st_mode & S_IWOTH)
		ai_fail(err, AI_EENV, "home: %s: anybody may write there", folder);
	else
		return 0;
	return ai_hint(err, "set AICERT_HOME to a folder of your own");
}

int
ai_home_make(const struct ai_home *home, struct ai_err *err)
{
	if (ai_mkdirs(home->cache, 0755, err) < 0 || ai_mkdirs(home->data, 0700, err) < 0) {
		ai_in(err, "home");
		return ai_hint(err, "set AICERT_HOME to a folder that you may write");
	}
	return check_owner(home->cache, err) < 0 ? err->code : check_owner(home->data, err);
}

void
ai_home_done(struct ai_home *home)
{
	free(home->cache);
	free(home->data);
	*home = (struct ai_home){ NULL, NULL };
}
