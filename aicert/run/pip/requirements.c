/*
 * requirements.c -- what a step asks of the host before it runs: its command, and its requirements.txt (job.h).
 *
 * Checked once per execution, not per hit: a hit holds only while the files that the step used are the same, which is stronger.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/path.h"
#include "model/tree.h"
#include "rule/embed.h"
#include "run/job.h"
#include "run/pip/requirements.h"
#include "run/pip/resolve_parts.h"

static const char *
variable(const json_t *action, const char *name)
{
	size_t i;
	json_t *e;
	json_array_foreach(ai_json_arr(action, "env"), i, e)
		if (strcmp(ai_json_str(e, "name"), name) == 0)
			return ai_json_str(e, "value");
	return NULL;
}

/*
 * Is it a program of the machine's system folders, links followed? It is asked outside of the sandbox, and PATH is the Aicertfile's to say:
 * what lies in a stranger's project, wherever that is, or in anybody's home, must not be run there. A step would not see it either.
 */
static bool
is_the_machines(const char *file, const char *project)
{
	static const char *const folders[] = { "/usr/", "/bin/", "/sbin/", "/opt/" };
	AI_FREE char *real = realpath(file, NULL);
	AI_FREE char *ours = realpath(project, NULL);
	bool named = false, found = false;
	size_t n = ours ? strlen(ours) : 0;
	if (!ours || (real && n > 1 && strncmp(real, ours, n) == 0 && real[n] == '/'))
		return false;
	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
		named = named || strncmp(file, folders[i], strlen(folders[i])) == 0;
		found = found || (real && strncmp(real, folders[i], strlen(folders[i])) == 0);
	}
	return named && found && !strstr(file, "/../");
}

char *
ai_host_command(const json_t *action, const char *project)
{
	const char *command = json_string_value(json_array_get(ai_json_arr(action, "argv"), 0));
	if (strchr(command, '/'))
		return ai_strdup(command);
	const char *path = variable(action, "PATH");
	for (const char *p = path ? path : ""; *p;) {
		size_t n = strcspn(p, ":");
		AI_FREE char *dir = ai_strndup(p, n);
		char *file = dir ? ai_join(dir, command) : NULL;
		if (file && is_the_machines(file, project) && access(file, X_OK) == 0)
			return file;
		free(file);
		p += n + (p[n] == ':');
	}
	return NULL;
}

/* The bytes of requirements.txt in the source's root: 1 there, 0 not. */
static int
requirements_of(struct ai_job *job, const json_t *step, struct ai_buf *out, struct ai_err *err)
{
	size_t i;
	json_t *in;
	struct ai_ref ref = { 0 };
	json_array_foreach(ai_json_arr(step, "inputs"), i, in)
		if (strcmp(ai_json_str(in, "path"), "/workspace/src") == 0 && ai_ref_get(in, &ref, err) < 0)
			return err->code;
	if (ref.type != AI_REF_TREE)
		return 0;
	AI_JSON *tree = NULL;
	int r = ai_store_get_node(job->store, &ref.id, &tree, err);
	if (r <= 0)
		return r < 0 ? r : ai_fail(err, AI_EINPUT, "cache: the tree of the source is gone");
	json_t *e;
	json_array_foreach(ai_json_arr(tree, "entries"), i, e) {
		struct ai_digest id;
		if (strcmp(ai_json_str(e, "name"), "requirements.txt") == 0 && ai_json_digest(e, "id", &id))
			return ai_store_get_bytes(job->store, &id, out, err) < 0 ? err->code : 1;
	}
	return 0;
}

const char *
ai_embedded_script(const char *path)
{
	for (const struct ai_embedded *e = ai_embedded; e->path; e++)
		if (strcmp(e->path, path) == 0)
			return e->text;
	return NULL;
}

int
ai_host_script(const char *python, const char *script, const struct ai_buf *text, struct ai_buf *said, struct ai_err *err)
{
	int in[2], out[2];
	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		return ai_fail_errno(err, AI_EENV, "pipe");
	posix_spawn_file_actions_t fa;
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, in[0], 0);
	posix_spawn_file_actions_adddup2(&fa, out[1], 1);
	char *argv[] = { (char *)python, "-I", "-c", (char *)script, NULL };
	char *env[] = { "PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8", NULL };
	pid_t pid;
	int e = posix_spawn(&pid, python, &fa, NULL, argv, env);
	posix_spawn_file_actions_destroy(&fa);
	close(in[0]);
	close(out[1]);
	if (e) {
		close(in[1]);
		close(out[0]);
		errno = e;
		return ai_fail_errno(err, AI_EENV, "%s: cannot start", python);
	}
	/* A child that dies before it has read all shows in its exit status, not here. */
	struct ai_err gone = { 0 };
	signal(SIGPIPE, SIG_IGN);
	int r = ai_write_all(in[1], text->data, text->len, "pipe", &gone);
	close(in[1]);
	r = ai_read_fd(out[0], python, said, err);
	close(out[0]);
	int status = 0;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r < 0)
		return r;
	return WIFEXITED(status) ? WEXITSTATUS(status) : ai_fail(err, AI_EENV, "%s: died while it was asked about requirements.txt", python);
}

int
ai_host_satisfies(const char *python, const struct ai_buf *text, struct ai_buf *said, struct ai_err *err)
{
	const char *script = ai_embedded_script("aicert/run/pip/check_requirements.py");
	if (!script)
		return ai_fail(err, AI_EENV, "internal: the requirements check is missing from this program");
	int r = ai_host_script(python, script, text, said, err);
	return r < 0 ? r : r == 0;
}

int
ai_host_lacks(const char *step, struct ai_buf *said, struct ai_err *err)
{
	while (said->len && said->data[said->len - 1] == '\n')
		said->data[--said->len] = '\0';
	for (size_t i = 0; i < said->len; i++)
		if (said->data[i] == '\n')
			said->data[i] = ';';
	ai_fail(err, AI_EENV, "step '%s': requirements.txt: the host does not satisfy it: %.600s", step,
		said->len ? said->data : "the check itself failed");
	return ai_hint(err, "install what is missing from the distribution (python3-…), or change requirements.txt to what is there");
}

int
ai_no_host_command(const char *step, const json_t *action, struct ai_err *err)
{
	const char *command = json_string_value(json_array_get(ai_json_arr(action, "argv"), 0));
	ai_fail(err, AI_EENV, "step '%s': the host has no '%s'", step, command);
	if (strncmp(command, "python3.", 8) == 0)
		return ai_hint(err, "run it in an image that has it ('image: python:%s'), or install %s", command + strlen("python"), command);
	return ai_hint(err, "install it in /usr/bin or /usr/local/bin: a step sees the machine's system folders only");
}

/* Are the step's packages an input of its own? Then they were chosen for it, and the host has no part in them. */
static bool
has_wheels(const json_t *step)
{
	size_t i;
	json_t *in;
	json_array_foreach(ai_json_arr(step, "inputs"), i, in)
		if (strcmp(ai_json_str(in, "path"), "/workspace/wheels") == 0 || strcmp(ai_json_str(in, "path"), "/workspace/built") == 0)
			return true;
	return false;
}

/* A source that an earlier step made: nothing was known of its requirements when wheels were chosen. */
static bool
source_is_made(const json_t *recipe)
{
	size_t i;
	json_t *in;
	json_array_foreach(ai_json_arr(recipe, "inputs"), i, in)
		if (strcmp(ai_json_str(in, "path"), "/workspace/src") == 0)
			return ai_json_str(in, "step") != NULL;
	return false;
}

static int
check_image(struct ai_job *job, const struct ai_job_step *s, const json_t *action, struct ai_err *err)
{
	const char *command = json_string_value(json_array_get(ai_json_arr(action, "argv"), 0));
	struct ai_asked_file file = { .path = (char *)"requirements.txt", .text = AI_BUF(AI_MAX_TEXT) };
	const struct ai_asked a = { .name = s->name, .action = action, .python = command, .environment = s->environment, .files = &file, .n_files = 1 };
	if (strncmp(command, "python", 6) != 0 || strchr(command, '/') || !source_is_made(s->recipe) || has_wheels(s->step))
		return 0;
	int r = requirements_of(job, s->step, &file.text, err);
	if (r == 1)
		r = ai_image_satisfies(job, &a, err) == 1 ? 0 : err->code ? err->code : 1;
	ai_buf_done(&file.text);
	if (r != 1)
		return r;
	ai_fail(err, AI_EENV, "step '%s': requirements.txt: the image does not satisfy it", s->name);
	return ai_hint(err, "packages are chosen for sources that are known before anything runs; give this step 'wheels', or an image that has them");
}

/*
 * As ai_host_satisfies; what held for a step of this run holds for the next one that asks the same, of which a matrix makes many: an interpreter takes a
 * tenth of a second to ask, and meanwhile no step is given to anybody.
 */
static int
satisfies_still(const struct ai_job *job, const char *python, const struct ai_buf *text, struct ai_buf *said, struct ai_err *err)
{
	static _Thread_local struct { bool known; struct ai_digest of; } held;
	AI_BUF_AUTO all = AI_BUF(2 * AI_MAX_TEXT);
	struct ai_digest of;
	ai_buf_put(&all, job->started, strlen(job->started) + 1);
	ai_buf_put(&all, python, strlen(python) + 1);
	ai_buf_put(&all, text->data, text->len);
	if (ai_buf_ok(&all, "requirements.txt", err) < 0)
		return err->code;
	ai_sha256(all.data, all.len, &of);
	if (held.known && ai_digest_eq(&held.of, &of))
		return 1;
	int r = ai_host_satisfies(python, text, said, err);
	held.known = r == 1;
	held.of = of;
	return r;
}

int
ai_check_requirements(struct ai_job *job, const struct ai_job_step *s, struct ai_err *err)
{
	const json_t *action = json_array_get(ai_json_arr(s->step, "actions"), 0);
	if (!action || strcmp(ai_json_str(action, "do"), "run") != 0)
		return 0;
	if (!json_is_true(json_object_get(s->environment, "host")))
		return check_image(job, s, action, err);
	const char *command = json_string_value(json_array_get(ai_json_arr(action, "argv"), 0));
	bool in_workspace = strchr(command, '/') != NULL;
	AI_FREE char *file = ai_host_command(action, job->project);
	if (!file)
		return ai_no_host_command(s->name, action, err);
	if (in_workspace || strncmp(command, "python", 6) != 0 || has_wheels(s->step))
		return 0;
	AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
	AI_BUF_AUTO said = AI_BUF(AI_MAX_TEXT);
	int r = requirements_of(job, s->step, &text, err);
	if (r <= 0)
		return r;
	r = satisfies_still(job, file, &text, &said, err);
	if (r != 0)
		return r < 0 ? r : 0;
	return ai_host_lacks(s->name, &said, err);
}
