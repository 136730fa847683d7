/*
 * tpm_embedded.c -- libtpms in this process behind a TCTI of our own; see tpm_parts.h.
 *
 * libtpms keeps its state in globals, so there is one instance per process at a
 * time; after it is closed, another can be opened, with fresh PCRs.
 *
 * What persists is one file, dir/state: a line "aicert-tpm-state 1 <sha256>\n" and
 * libtpms's permanent state, from whose seeds the keys come. It is written once,
 * when the TPM is manufactured, under a lock. Every later open works on a private
 * copy in memory whose changes (clock, reset counter) are dropped: so any number of
 * processes run at once with the same keys, and PCRs start at zero each time, for
 * volatile state is neither kept nor restored. Signatures take their randomness from
 * the system, not from the state, so copies do not repeat nonces. The price is that
 * quotes of this TPM all tell the same reset count; nobody judges a software TPM by it.
 *
 * A state that is damaged, or gone while certificates made from it are there, is an
 * error: making a new one would change the key behind the user's back.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <libtpms/tpm_error.h>
#include <libtpms/tpm_library.h>
#include <libtpms/tpm_nvfilename.h>
#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_tcti.h>

#include "attest/tpm/localca.h"
#include "attest/tpm/tpm_parts.h"
#include "base/buf.h"
#include "base/fs.h"

enum { MAX_STATE = 4 << 20, HEADER_LEN = 19 + 64 + 1 };
static const char header_word[] = "aicert-tpm-state 1 ";
static const uint64_t tcti_magic = 0x6169636572740001; /* "aicert", 1 */

/* The instance. The TCTI's head must stand first: tss2 casts. */
static struct {
	TSS2_TCTI_CONTEXT_COMMON_V1 head;
	bool open;
	struct ai_buf permanent;        /* the private copy; empty: never manufactured */
	unsigned char *answer;          /* libtpms's buffer */
	uint32_t answer_len, answer_cap;
	bool pending;                   /* an answer waits to be received */
} tpm;

/* --- libtpms's storage ----------------------------------------------------- */

static TPM_RESULT
nv_init(void)
{
	return TPM_SUCCESS;
}

static TPM_RESULT
nv_load(unsigned char **data, uint32_t *length, uint32_t number, const char *name)
{
	(void)number;
	if (strcmp(name, TPM_PERMANENT_ALL_NAME) != 0 || tpm.permanent.len == 0)
		return TPM_RETRY; /* libtpms's word for "there is none" */
	*data = malloc(tpm.permanent.len);
	if (!*data)
		return TPM_FAIL;
	memcpy(*data, tpm.permanent.data, tpm.permanent.len);
	*length = (uint32_t)tpm.permanent.len;
	return TPM_SUCCESS;
}

static TPM_RESULT
nv_store(const unsigned char *data, uint32_t length, uint32_t number, const char *name)
{
	(void)number;
	if (strcmp(name, TPM_PERMANENT_ALL_NAME) != 0)
		return TPM_SUCCESS;
	ai_buf_clear(&tpm.permanent);
	ai_buf_put(&tpm.permanent, data, length);
	return tpm.permanent.state == AI_BUF_GOOD ? TPM_SUCCESS : TPM_FAIL;
}

static TPM_RESULT
nv_delete(uint32_t number, const char *name, TPM_BOOL must_exist)
{
	(void)number, (void)name, (void)must_exist;
	return TPM_SUCCESS;
}

/* --- the TCTI -------------------------------------------------------------- */

static TSS2_RC
transmit(TSS2_TCTI_CONTEXT *ctx, size_t size, const uint8_t *command)
{
	(void)ctx;
	if (tpm.pending)
		return TSS2_TCTI_RC_BAD_SEQUENCE;
	if (size > TPM2_MAX_COMMAND_SIZE)
		return TSS2_TCTI_RC_BAD_VALUE;
	uint8_t copy[TPM2_MAX_COMMAND_SIZE]; /* libtpms takes it writable */
	memcpy(copy, command, size);
	if (TPMLIB_Process(&tpm.answer, &tpm.answer_len, &tpm.answer_cap, copy, (uint32_t)size) != TPM_SUCCESS)
		return TSS2_TCTI_RC_IO_ERROR;
	tpm.pending = true;
	return TSS2_RC_SUCCESS;
}

static TSS2_RC
receive(TSS2_TCTI_CONTEXT *ctx, size_t *size, uint8_t *response, int32_t timeout)
{
	(void)ctx, (void)timeout;
	if (!tpm.pending)
		return TSS2_TCTI_RC_BAD_SEQUENCE;
	size_t room = *size;
	*size = tpm.answer_len;
	if (!response)
		return TSS2_RC_SUCCESS; /* the caller asks how long it is */
	if (room < tpm.answer_len)
		return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
	memcpy(response, tpm.answer, tpm.answer_len);
	tpm.pending = false;
	return TSS2_RC_SUCCESS;
}

static TSS2_RC
cancel(TSS2_TCTI_CONTEXT *ctx)
{
	(void)ctx;
	return TSS2_TCTI_RC_NOT_IMPLEMENTED; /* a command is answered within transmit */
}

static TSS2_RC
get_poll_handles(TSS2_TCTI_CONTEXT *ctx, TSS2_TCTI_POLL_HANDLE *handles, size_t *n)
{
	(void)ctx, (void)handles;
	*n = 0;
	return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

static TSS2_RC
set_locality(TSS2_TCTI_CONTEXT *ctx, uint8_t locality)
{
	(void)ctx;
	return locality == 0 ? TSS2_RC_SUCCESS : TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

static void
stop(TSS2_TCTI_CONTEXT *ctx)
{
	(void)ctx;
	TPMLIB_Terminate();
	free(tpm.answer);
	ai_buf_done(&tpm.permanent);
	memset(&tpm, 0, sizeof tpm);
}

/* --- the state file -------------------------------------------------------- */

static int
damaged(struct ai_err *err, const char *dir, const char *how)
{
	ai_fail(err, AI_EENV, "tpm: the state of the embedded TPM, '%s/state', %s", dir, how);
	return ai_hint(err, "restore it from a backup; or remove the folder '%s' to begin with a new key, which verifiers must accept anew", dir);
}

/* 1 read into tpm.permanent, 0 there is none, negative error. */
static int
read_state(const char *dir, const char *path, struct ai_err *err)
{
	AI_BUF_AUTO file = AI_BUF(MAX_STATE);
	struct ai_digest want, got;
	char hex[AI_HEX];
	int r = ai_read_file_if(AT_FDCWD, path, &file, err);
	if (r < 0) {
		err->code = AI_EENV;
		return ai_in(err, "tpm");
	}
	if (r == 0)
		return 0;
	size_t word = sizeof header_word - 1;
	if (file.len <= HEADER_LEN || memcmp(file.data, header_word, word) != 0 || file.data[HEADER_LEN - 1] != '\n')
		return damaged(err, dir, "is damaged or of another version of aicert");
	memcpy(hex, file.data + word, 64);
	hex[64] = '\0';
	ai_sha256(file.data + HEADER_LEN, file.len - HEADER_LEN, &got);
	if (!ai_unhex(hex, &want) || !ai_digest_eq(&got, &want))
		return damaged(err, dir, "is damaged: its bytes do not hash to what it says");
	ai_buf_clear(&tpm.permanent);
	ai_buf_put(&tpm.permanent, file.data + HEADER_LEN, file.len - HEADER_LEN);
	return ai_buf_ok(&tpm.permanent, path, err) < 0 ? err->code : 1;
}

static int
write_state(const char *path, struct ai_err *err)
{
	AI_BUF_AUTO file = AI_BUF(MAX_STATE);
	struct ai_digest d;
	char hex[AI_HEX];
	if (tpm.permanent.len == 0)
		return ai_fail(err, AI_EENV, "tpm: the embedded TPM was made and gave no state");
	ai_sha256(tpm.permanent.data, tpm.permanent.len, &d);
	ai_hex(&d, hex);
	ai_buf_printf(&file, "%s%s\n", header_word, hex);
	ai_buf_put(&file, tpm.permanent.data, tpm.permanent.len);
	if (ai_buf_ok(&file, path, err) < 0)
		return err->code;
	return ai_write_file(AT_FDCWD, path, file.data, file.len, 0600, err);
}

int
ai_embedded_lock(const char *dir, int *fd, struct ai_err *err)
{
	AI_FREE char *path = ai_format("%s/state.lock", dir);
	if (!path)
		return ai_nomem(err);
	AI_FD f = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (f < 0)
		return ai_fail_errno(err, AI_EENV, "tpm: %s: cannot open", path);
	if (ai_tpm_flock(f, path, err) < 0)
		return err->code;
	*fd = f;
	f = -1;
	return 0;
}

/* --- power ----------------------------------------------------------------- */

static int
power_on(const char *dir, struct ai_err *err)
{
	static struct libtpms_callbacks callbacks = {
		.sizeOfStruct = sizeof callbacks,
		.tpm_nvram_init = nv_init, .tpm_nvram_loaddata = nv_load, .tpm_nvram_storedata = nv_store, .tpm_nvram_deletename = nv_delete,
	};
	bool had_state = tpm.permanent.len > 0;
	if (TPMLIB_ChooseTPMVersion(TPMLIB_TPM_VERSION_2) != TPM_SUCCESS || TPMLIB_RegisterCallbacks(&callbacks) != TPM_SUCCESS)
		return ai_fail(err, AI_EENV, "tpm: libtpms has no TPM 2.0");
	TPM_RESULT rc = TPMLIB_MainInit();
	if (rc == TPM_SUCCESS)
		return 0;
	TPMLIB_Terminate();
	if (had_state)
		return damaged(err, dir, "is refused by libtpms");
	return ai_fail(err, AI_EENV, "tpm: libtpms cannot make a TPM: error %u", (unsigned)rc);
}

/* The first open of all, with the lock held. */
static int
manufacture(const char *dir, const char *path, struct ai_err *err)
{
	if (ai_localca_exists(dir))
		return damaged(err, dir, "is gone, though keys were made from it");
	if (power_on(dir, err) < 0)
		return err->code;
	if (write_state(path, err) == 0)
		return 0;
	TPMLIB_Terminate();
	return err->code;
}

static int
start(const char *dir, const char *path, struct ai_err *err)
{
	AI_FD lock = -1;
	int r = read_state(dir, path, err);
	if (r == 0) {
		if (ai_embedded_lock(dir, &lock, err) < 0)
			return err->code;
		/* Another process may have made it while we waited. */
		r = read_state(dir, path, err);
		if (r == 0)
			return manufacture(dir, path, err);
	}
	return r < 0 ? r : power_on(dir, err);
}

int
ai_embedded_open(const char *dir, TSS2_TCTI_CONTEXT **out, struct ai_err *err)
{
	AI_FREE char *path = ai_format("%s/state", dir);
	if (!path)
		return ai_nomem(err);
	if (tpm.open)
		return ai_fail(err, AI_EENV, "internal: the embedded TPM is already open in this process");
	tpm.permanent = AI_BUF(MAX_STATE);
	if (start(dir, path, err) < 0) {
		ai_buf_done(&tpm.permanent);
		return err->code;
	}
	tpm.head = (TSS2_TCTI_CONTEXT_COMMON_V1){ .magic = tcti_magic, .version = 1, .transmit = transmit, .receive = receive,
		.finalize = stop, .cancel = cancel, .getPollHandles = get_poll_handles, .setLocality = set_locality };
	tpm.open = true;
	*out = (TSS2_TCTI_CONTEXT *)&tpm;
	return 0;
}
