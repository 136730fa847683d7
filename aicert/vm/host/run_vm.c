/* run_vm.c -- see run_vm.h.  SPDX-License-Identifier: Apache-2.0 */
#include "vm/host/run_vm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/path.h"
#include "cache/session.h"
#include "run/stamp.h"
#include "vm/disk/job_disk.h"
#include "vm/disk/result_disk.h"
#include "vm/host/machine.h"
#include "vm/host/objects.h"
#include "vm/host/run_vm_parts.h"
#include "vm/host/scratch.h"
#include "vm/host/vtpm.h"

#define RESULT_SIZE (16ull << 30)
enum { MAX_MEMINFO = 1 << 20, NO_SPACE = 1 << 20 };

/* One measured run: what is there while it goes on. */
struct measured {
	struct ai_job *job;
	const struct ai_vm_options *vm;
	char *uki;
	char *folder;          /* below <cache>/tmp: both disks */
	int lock;              /* of folder */
	struct ai_vm_scratch scratch; /* sockets, firmware variables */
	char *job_disk, *result_disk, *console_log, *tpm_state;
	uint64_t content;
	json_t *certificates;
	struct ai_digest ak;   /* of the vTPM, as the host knows it */
	struct ai_digest given; /* header of the job disk */
	struct ai_vm_console console;
	struct ai_provider *provider;
	bool cloud;            /* it is one; else the machine is of this host */
	struct ai_err left;    /* the result came, and something may have been left in the cloud */
};

static void
measured_done(struct measured *m)
{
	if (m->folder)
		ai_discard_tree(m->folder);
	if (m->lock >= 0)
		close(m->lock);
	ai_vm_scratch_done(&m->scratch);
	if (m->console.log >= 0)
		close(m->console.log);
	ai_provider_close(m->provider);
	free(m->uki);
	free(m->folder);
	free(m->job_disk);
	free(m->result_disk);
	free(m->console_log);
	free(m->tpm_state);
	json_decref(m->certificates);
}

/* --- before anything is fetched -------------------------------------------------- */

static int
refuse(const char *option, const char *why, struct ai_err *err)
{
	return ai_fail(err, AI_EUSAGE, "usage: %s does not go with --in vm: %s", option, why);
}

static int
check_options(const struct ai_run_options *o, struct ai_err *err)
{
	if (o->tpm)
		return refuse("--tpm", "the machine has a vTPM of its own", err);
	if (o->ak)
		return refuse("--ak", "the machine's attestation key is P-256", err);
	if (o->n_check)
		return refuse("--check", "steps run once in it; `aicert reproduce PROOF` compares", err);
	return o->timestamp ? ai_stamp_check_url(o->timestamp, err) : 0;
}

static int
find_uki(struct measured *m, struct ai_err *err)
{
	m->uki = m->vm->uki ? ai_abspath(m->vm->uki) : ai_join(m->job->home.cache, "vm/aicert.efi");
	if (!m->uki)
		return ai_nomem(err);
	if (!m->cloud)
		return ai_machine_check(m->provider, m->uki, err);
	if (ai_exists(m->uki))
		return 0;
	ai_fail(err, AI_EENV, "%s: there is no runner yet", m->uki);
	return ai_hint(err, "build it: aicert vm build");
}

/* --- the disks -------------------------------------------------------------------- */

static int
make_places(struct measured *m, struct ai_err *err)
{
	const char *cache = m->job->home.cache;
	char plan[AI_HEX];
	ai_hex(&m->job->plan_id, plan);
	AI_FREE char *logs = ai_join(cache, "logs");
	m->console_log = ai_format("%s/machine-%s.log", logs, plan);
	if (!logs || !m->console_log)
		return ai_nomem(err);
	if (ai_mkdirs(logs, 0700, err) < 0 || ai_scratch_make(cache, "vm", &m->folder, &m->lock, err) < 0 || ai_vm_scratch_make(&m->scratch, err) < 0)
		return err->code;
	m->job_disk = ai_join(m->folder, "job.raw");
	m->result_disk = ai_join(m->folder, "result.raw");
	m->console.log = open(m->console_log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (m->console.log < 0)
		return ai_fail_errno(err, AI_EENV, "%s", m->console_log);
	return m->job_disk && m->result_disk ? 0 : ai_nomem(err);
}

static int
make_job_disk(struct measured *m, const char *objects, struct ai_err *err)
{
	const struct ai_job *job = m->job;
	const char *const aside[] = { objects };
	uint64_t shelved = 0;
	AI_BUF_AUTO meminfo = AI_BUF(MAX_MEMINFO);
	if (ai_read_file(AT_FDCWD, "/proc/meminfo", &meminfo, err) < 0)
		return err->code = AI_EENV;
	const uint64_t memory = m->vm->memory || m->cloud ? m->vm->memory : ai_machine_memory(m->provider);
	const struct ai_job_pack in = { .store = job->store, .plan = job->plan, .nonce = job->opt->nonce,
		.certificates = json_array_size(m->certificates) ? m->certificates : NULL, .environments = job->environments, .aside = aside, .n_aside = 1,
		.room = ai_vm_room_on(job->manifest, meminfo.data ? meminfo.data : "", m->cloud, memory), .shelved = &shelved, .talk = job->opt->talk };
	AI_FD fd = open(m->job_disk, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return ai_fail_errno(err, AI_EENV, "%s", m->job_disk);
	if (ai_job_pack(&in, fd, UINT64_MAX >> 1, &m->given, &m->content, err) < 0)
		return ai_in(err, "job disk");
	if (shelved)
		ai_say(job->opt->talk, AI_TALK_STAGE, "shelf   %llu MiB stay on the job disk, each block checked as it is read; %llu MiB go into memory",
			(unsigned long long)(shelved >> 20), (unsigned long long)(m->content >> 20));
	/* A disk is made of whole sectors. */
	off_t end = lseek(fd, 0, SEEK_END);
	return end < 0 || ftruncate(fd, (end + AI_DISK_BLOCK - 1) / AI_DISK_BLOCK * AI_DISK_BLOCK) < 0 ? ai_fail_errno(err, AI_EENV, "%s", m->job_disk) : 0;
}

static int
make_result_disk(struct measured *m, struct ai_err *err)
{
	AI_FD fd = open(m->result_disk, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	const uint64_t size = m->vm->result_size ? m->vm->result_size : RESULT_SIZE;
	return fd < 0 || ftruncate(fd, (off_t)size) < 0 ? ai_fail_errno(err, AI_EENV, "%s", m->result_disk) : 0;
}

/* Everything that the machine is given. */
static int
prepare(struct measured *m, struct ai_err *err)
{
	AI_FREE char *objects = ai_join(m->job->home.cache, "vm/objects");
	if (!objects)
		return ai_nomem(err);
	/* A cloud's vTPM is there already, and brings its certificates. */
	if (!m->cloud && (ai_vtpm_state(&m->job->home, m->job->opt->talk, &m->tpm_state, err) < 0
		|| ai_vtpm_certificates(&m->job->home, &m->certificates, &m->ak, err) < 0))
		return err->code;
	if (ai_mkdirs(objects, 0755, err) < 0 || ai_job_objects(m->job, objects, err) < 0 || make_places(m, err) < 0)
		return err->code;
	if (make_job_disk(m, objects, err) < 0)
		return err->code;
	return m->cloud ? 0 : make_result_disk(m, err);
}

/* --- the machine ------------------------------------------------------------------- */

static int
choose_shape(const struct measured *m, uint64_t *memory, unsigned *cpus, struct ai_err *err)
{
	AI_BUF_AUTO meminfo = AI_BUF(MAX_MEMINFO);
	bool known = false;
	*memory = m->vm->memory ? m->vm->memory : ai_machine_memory(m->provider);
	*memory = *memory ? *memory : ai_vm_memory(m->job->manifest, m->content);
	*cpus = m->vm->cpus ? m->vm->cpus : ai_machine_cpus(m->provider);
	*cpus = *cpus ? *cpus : ai_vm_cpus(m->job->manifest);
	if (ai_read_file(AT_FDCWD, "/proc/meminfo", &meminfo, err) < 0)
		return err->code = AI_EENV;
	if (ai_vm_shape(meminfo.data ? meminfo.data : "", memory, cpus, &known, err) < 0)
		return err->code;
	if (!known)
		ai_say(m->job->opt->talk, AI_TALK_NOTE, "no verifier knows what firmware measures in a machine with %llu MiB and %u processors: no policy will take it",
			(unsigned long long)(*memory >> 20), *cpus);
	return 0;
}

/* Where its console can be read, with the end of it: foreign text, which ai_fail makes harmless. */
static int
with_console(const struct measured *m, struct ai_err *err)
{
	AI_BUF_AUTO last = AI_BUF(AI_VM_LAST_LINES * (AI_VM_SHOWN_LINE + 8));
	struct ai_err said = *err;
	ai_vm_console_last(&m->console, &last);
	ai_fail(err, said.code, "%s: its last lines: %.600s", said.text, last.len ? last.data : "none");
	return ai_hint(err, "its console: %s%s%s", m->console_log, *said.hint ? "; " : "", said.hint);
}

static int
boot_in_cloud(struct measured *m, struct ai_err *err)
{
	AI_FREE char *records = ai_join(m->job->home.data, AI_CLOUD_RECORDS);
	if (!records)
		return ai_nomem(err);
	const struct ai_provider_run run = { .uki = m->uki, .job = m->job_disk, .result = m->result_disk, .records = records,
		.time_s = m->vm->time_s ? m->vm->time_s : ai_vm_time(m->job->manifest), .talk = m->job->opt->talk };
	return ai_vm_cloud_run(m->provider, &run, &m->left, err);
}

static int
boot(struct measured *m, struct ai_err *err)
{
	const struct ai_job *job = m->job;
	struct ai_machine machine = {
		.shape = m->provider, .uki = m->uki, .job = m->job_disk, .result = m->result_disk, .tpm_state = m->tpm_state, .scratch = m->scratch.path,
		.time_s = m->vm->time_s ? m->vm->time_s : ai_vm_time(job->manifest),
		.line = ai_vm_console_line, .ctx = &m->console, .talk = job->opt->talk,
	};
	if (m->cloud)
		return boot_in_cloud(m, err);
	if (choose_shape(m, &machine.memory, &machine.cpus, err) < 0 || ai_machine_choose(m->provider, &machine.accelerator, err) < 0)
		return err->code;
	ai_say(job->opt->talk, AI_TALK_STAGE, "boot    %s (%s, %llu MiB)", m->uki, machine.accelerator, (unsigned long long)(machine.memory >> 20));
	int r = ai_machine_run(&machine, err);
	return r == AI_EENV && m->console.n ? with_console(m, err) : r;
}

/* --- what it gave back ----------------------------------------------------------------- */

/* Nothing was written: a machine that gave up before it had anything to say. */
static bool
is_blank(int fd)
{
	char head[AI_DISK_BLOCK];
	static const char zeros[AI_DISK_BLOCK];
	return pread(fd, head, sizeof head, 0) == (ssize_t)sizeof head && memcmp(head, zeros, sizeof head) == 0;
}

/* Quoted by the key that this host knows its vTPM by? Another would be another machine's word. */
static int
check_key(const struct measured *m, const json_t *attestation, struct ai_err *err)
{
	struct ai_digest ak;
	if (m->cloud) /* its key is known by its certificates, to whoever verifies */
		return 0;
	if (ai_json_digest(ai_json_obj(attestation, "claims"), "ak", &ak) && ai_digest_eq(&ak, &m->ak))
		return 0;
	return ai_fail(err, AI_EINPUT, "result disk: the attestation is by another key than this host's vTPM's");
}

/* And is what it says that it was given what this host gave it? */
static int
check_given(const struct measured *m, const json_t *attestation, struct ai_err *err)
{
	const json_t *first = json_array_get(ai_json_arr(ai_json_obj(attestation, "evidence"), "run_log"), 0);
	const char *event = ai_json_str(first, "event");
	struct ai_digest job;
	if (event && strcmp(event, "job") == 0 && ai_json_digest(first, "id", &job) && ai_digest_eq(&job, &m->given))
		return 0;
	return ai_fail(err, AI_EINPUT, "result disk: the attestation is of another job disk than this host gave the machine");
}

/* What the machine cannot know: why its disk took no more. */
static int
perhaps_full(const struct measured *m, struct ai_err *err)
{
	struct statvfs v;
	if (statvfs(m->folder, &v) == 0 && (uint64_t)v.f_bavail * v.f_frsize < NO_SPACE)
		return ai_hint(err, "this host's disk is full: free some space, or set AICERT_HOME to a folder on a larger disk");
	return err->code;
}

/* A failure that the machine attested is kept as one outside is: for `log`, and for whoever asks what was tried. */
static int
take(struct measured *m, json_t **attestation, struct ai_err *err)
{
	struct ai_job *job = m->job;
	struct ai_err second = { 0 };
	AI_FD fd = open(m->result_disk, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return ai_fail_errno(err, AI_EENV, "%s", m->result_disk);
	struct stat st;
	if (fstat(fd, &st) < 0)
		return ai_fail_errno(err, AI_EENV, "%s", m->result_disk);
	bool blank = is_blank(fd);
	int r = ai_result_take(fd, (uint64_t)st.st_size, job, attestation, err);
	if (r == 0)
		return check_key(m, *attestation, err) < 0 ? err->code : check_given(m, *attestation, err);
	(void)perhaps_full(m, err);
	if (blank)
		return with_console(m, err);
	if (*attestation && ai_job_record(job, NULL, &second) < 0)
		ai_say(job->opt->talk, AI_TALK_NOTE, "the failure could not be recorded: %s", second.text);
	return r;
}

/* As ai_job_seal does: hours of work are not lost for want of somebody else's clock. */
static int
stamp(struct ai_job *job, json_t *attestation, struct ai_err *err)
{
	struct ai_digest id;
	if (!job->opt->timestamp || ai_stamp_attestation(attestation, job->opt->timestamp, job->opt->talk, &job->unstamped) < 0)
		return job->unstamped.code == AI_EINTR ? (*err = job->unstamped).code : 0;
	return ai_store_put_attestation(job->store, attestation, &id, err);
}

static int
run(struct measured *m, struct ai_err *err)
{
	struct ai_job *job = m->job;
	AI_JSON *attestation = NULL;
	if (ai_vm_check_steps(job->manifest, job->shown, err) < 0 || ai_vm_provider_open(m->vm, &m->provider, err) < 0)
		return err->code;
	m->cloud = !ai_provider_is_host(m->provider);
	if (find_uki(m, err) < 0)
		return err->code;
	if (ai_vm_check_uki(m->uki, err) < 0 || ai_job_fetch(job, err) < 0 || ai_job_plan(job, err) < 0 || ai_job_emit_check(job, err) < 0)
		return err->code;
	if (prepare(m, err) < 0 || boot(m, err) < 0 || take(m, &attestation, err) < 0 || stamp(job, attestation, err) < 0)
		return err->code;
	return ai_job_emit(job, attestation, err);
}

int
ai_run_in_vm(const struct ai_run_options *options, const struct ai_vm_options *vm, struct ai_run_report *report, struct ai_err *err)
{
	struct ai_job job;
	struct measured m = { .job = &job, .vm = vm, .lock = -1, .scratch = AI_VM_SCRATCH_NONE, .console = { .talk = options->talk, .log = -1 } };
	if (check_options(options, err) < 0)
		return err->code;
	int r = ai_job_open(options, &job, err);
	r = r < 0 ? r : run(&m, err);
	measured_done(&m);
	if (r == 0 && report)
		r = ai_job_report(&job, report, err);
	if (r == 0 && job.unstamped.code)
		r = ai_job_unstamped(&job, err);
	if (r == 0 && m.left.code)
		r = (*err = m.left).code;
	ai_job_done(&job);
	return r;
}
