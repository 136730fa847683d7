/*
 * Logs with the values of their TPMs (../shared/vectors): equal as they are, and not with any byte of any digest changed.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>

#include "base/fs.h"
#include "log_bytes.h"

static const char *const logs[] = {
	"google+go-attestation/attest/testdata/option_rom_eventlog", "google+go-attestation/attest/testdata/sb_cert_eventlog",
#define GO_TPM(name) "google+go-tpm-tools/internal/test/eventlogs/" name ".bin"
	GO_TPM("arch-linux-workstation"), GO_TPM("confidential-gke-debug-251000_eventlog"), GO_TPM("cos-101-amd-sev"), GO_TPM("cos-85-amd-sev"),
	GO_TPM("cos-93-amd-sev"), GO_TPM("debian-10"), GO_TPM("eventlogwithsp800155"), GO_TPM("gdc-host"), GO_TPM("glinux-alex"), GO_TPM("rhel8-uefi"),
	GO_TPM("ubuntu-1804-amd-sev"), GO_TPM("ubuntu-2104-no-dbx"), GO_TPM("ubuntu-2104-no-secure-boot"), GO_TPM("ubuntu-2404-amd-sevsnp"),
};

static void
read_vector(const char *name, const char *ending, struct ai_buf *b)
{
	AI_FREE char *path = ai_format("%s/vectors/%s%s", shared_dir(), name, ending);
	ok(ai_read_file(AT_FDCWD, path, b, &err));
}

/* Does the bank replay to every known value? */
static bool
equal(const struct ai_eventlog *log, uint16_t bank, const json_t *known)
{
	struct ai_pcr_value values[AI_LOG_PCRS];
	uint32_t mask;
	const char *key;
	json_t *v;
	ok(ai_eventlog_replay(log, bank, values, &mask, &err));
	json_object_foreach((json_t *)known, key, v) {
		char hex[129];
		long long pcr = strtoll(key, NULL, 10);
		ai_hex_bytes(values[pcr].b, values[pcr].n, hex);
		if (strcmp(hex, json_string_value(v)) != 0)
			return false;
	}
	return true;
}

/* Every byte of every digest in the bank that goes into a known PCR. Returns how many there were. */
static size_t
turn_each(struct ai_buf *b, const struct ai_eventlog *log, size_t bank, const json_t *known)
{
	size_t turned = 0;
	for (size_t i = 0; i < log->n; i++) {
		const struct ai_event *e = &log->events[i];
		char key[16];
		snprintf(key, sizeof key, "%u", e->pcr);
		if (e->type == 3 || !json_object_get(known, key))
			continue;
		size_t at = (size_t)(e->digests[bank] - (const uint8_t *)b->data);
		for (size_t k = 0; k < log->sizes[bank]; k++, turned++) {
			b->data[at + k] = (char)(b->data[at + k] ^ (1 << (turned % 8)));
			if (equal(log, log->banks[bank], known))
				fail_msg("event %zu: byte %zu of its digest can change", i, k);
			b->data[at + k] = (char)(b->data[at + k] ^ (1 << (turned % 8)));
		}
	}
	return turned;
}

static void
every_digest_counts(void **state)
{
	(void)state;
	size_t turned = 0;
	if (!shared_dir())
		skip();
	for (size_t i = 0; i < sizeof logs / sizeof *logs; i++) {
		AI_BUF_AUTO b = AI_BUF(AI_MAX_BOOT_LOG);
		AI_BUF_AUTO text = AI_BUF(1u << 20);
		AI_JSON *known = NULL;
		struct ai_eventlog log;
		const char *bank;
		json_t *pcrs;
		read_vector(logs[i], "", &b);
		read_vector(logs[i], ".pcrs.json", &text);
		ok(ai_json_parse(text.data, text.len, logs[i], &known, &err));
		ok(parse_log(&b, true, &log, &err));
		size_t before = turned;
		json_object_foreach(known, bank, pcrs)
			for (size_t k = 0; k < log.n_banks; k++)
				if (log.banks[k] == ai_bank_parse(bank)) {
					assert_true(equal(&log, log.banks[k], pcrs));
					turned += turn_each(&b, &log, k, pcrs);
				}
		assert_true(turned > before);
		ai_eventlog_done(&log);
		printf("  %zu bytes of digests turned: %s\n", turned - before, logs[i]);
	}
	assert_true(turned > 40000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_digest_counts) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
