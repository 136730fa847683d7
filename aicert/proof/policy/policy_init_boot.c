/*
 * policy_init_boot.c -- the `pcrs:` and `boot:` of a policy that accepts the boots of a proof.
 *
 * Every rule is written only if all of the proof's attestations keep it, which is found out by asking: what is written is what verify will do.
 * PCRs 1 and 5 go by rules where they can (they change with every disk and boot entry), the others by value.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "proof/policy/policy_init.h"

#include <string.h>

#include "attest/eventlog/ima.h"
#include "proof/policy/policy_boot.h"

/* Would a policy of this text hold for every boot of the proof? */
static bool
holds(const struct ai_boots *boots, const char *text)
{
	struct ai_policy *p = NULL;
	struct ai_err unused = { 0 };
	AI_BUF_AUTO whole = AI_BUF(AI_MAX_AICERTFILE);
	ai_buf_printf(&whole, "aicert-policy: 1\n%s", text);
	if (ai_buf_ok(&whole, "policy", &unused) < 0 || ai_policy_parse(whole.data, whole.len, "init", NULL, NULL, &p, &unused) < 0)
		return false;
	bool good = true;
	for (size_t i = 0; i < boots->n && good; i++) {
		AI_BUF_AUTO unsaid = AI_BUF(AI_MAX_TEXT);
		good = ai_policy_boot_holds(p, &boots->evidence[i], &unsaid, &unused) == 0;
	}
	ai_policy_free(p);
	return good;
}

void
ai_init_text(struct ai_buf *out, const char *text)
{
	struct ai_err err = { 0 };
	AI_JSON *j = json_string(text);
	/* A JSON text is a YAML text in double quotes. */
	if (!j || ai_canon(j, out, &err) < 0)
		out->state = err.code == AI_EENV || !j ? AI_BUF_NOMEM : AI_BUF_FULL;
}

/* What a list is made of: a field of the events of this kind in PCRs first to last. sequence: in their order, also what comes twice. */
struct about { int first, last; const char *what; bool believed, authority; const char *key; bool sequence; };

static bool
fits(const struct about *a, const json_t *fact)
{
	return is_extended(fact) && pcr_of(fact) >= a->first && pcr_of(fact) <= a->last && is_what(fact, a->what) && (!a->believed || is_believed(fact))
		&& json_is_true(json_object_get(fact, "authority")) == a->authority;
}

/* "[ a, b ]" */
static size_t
put_list(struct ai_buf *out, const json_t *facts, const struct about *a)
{
	AI_JSON *seen = json_object();
	size_t i, n = 0;
	json_t *fact;
	ai_buf_puts(out, "[");
	json_array_foreach((json_t *)facts, i, fact) {
		const char *text = word_of(fact, a->key);
		if (!fits(a, fact) || (!a->sequence && json_object_get(seen, text)))
			continue;
		if (json_object_set_new(seen, text, json_true()) < 0)
			out->state = AI_BUF_NOMEM;
		ai_buf_puts(out, n++ ? ", " : " ");
		ai_init_text(out, text);
	}
	ai_buf_puts(out, n ? " ]" : "]");
	return n;
}

/* --- the rules -------------------------------------------------------------------- */

static void
rule_secure_boot(const json_t *facts, struct ai_buf *out)
{
	size_t i;
	json_t *fact;
	json_array_foreach((json_t *)facts, i, fact)
		if (pcr_of(fact) == PCR_SECURE_BOOT && is_variable(fact, "SecureBoot", AI_GUID_GLOBAL) && is_believed(fact)) {
			ai_buf_printf(out, "  secure_boot: %s\n", strcmp(word_of(fact, "value"), "01") == 0 ? "on" : "off");
			return;
		}
}

static void
rule_secure_boot_keys(const json_t *facts, struct ai_buf *out)
{
	static const char *const names[] = { "PK", "KEK", "db", "dbx" };
	size_t i;
	json_t *fact;
	for (size_t k = 0; k < 4; k++)
		json_array_foreach((json_t *)facts, i, fact)
			if (pcr_of(fact) == PCR_SECURE_BOOT && is_variable(fact, names[k], k < 2 ? AI_GUID_GLOBAL : AI_GUID_SECURITY) && !json_is_true(json_object_get(fact, "authority")))
				ai_buf_printf(out, "%s    %s: [ %s ]\n", out->len ? "" : "  secure_boot_keys:\n", names[k], word_of(fact, "digest"));
}

/* A rule whose list is not empty. */
static void
rule_list(const json_t *facts, const char *head, const struct about *a, const char *tail, struct ai_buf *out)
{
	ai_buf_puts(out, head);
	if (put_list(out, facts, a) == 0)
		ai_buf_clear(out);
	else
		ai_buf_puts(out, tail);
}

static void
rule_firmware(const json_t *facts, struct ai_buf *out)
{
	rule_list(facts, "  firmware: ", &(struct about){ PCR_FIRMWARE, PCR_FIRMWARE, "firmware-version", true, false, "version", false }, "\n", out);
}

static void
rule_verified_by(const json_t *facts, struct ai_buf *out)
{
	rule_list(facts, "  verified_by: ", &(struct about){ PCR_SECURE_BOOT, PCR_SECURE_BOOT, "variable", false, true, "digest", false }, "\n", out);
}

static void
rule_images(const json_t *facts, struct ai_buf *out)
{
	rule_list(facts, "  images: { exactly: ", &(struct about){ PCR_IMAGES, PCR_IMAGES, "image", false, false, "digest", true }, " }\n", out);
}

static void
rule_files(const json_t *facts, struct ai_buf *out)
{
	rule_list(facts, "  files: ", &(struct about){ PCR_FILES, PCR_FILES, "file", false, false, "digest", false }, "\n", out);
}

static void
rule_command_line(const json_t *facts, struct ai_buf *out)
{
	rule_list(facts, "  command_line: ", &(struct about){ PCR_LOADER, AI_N_BOOT_PCRS - 1, "command-line", true, false, "text", false }, "\n", out);
}

static void
rule_drivers(const json_t *facts, struct ai_buf *out)
{
	rule_list(facts, "  drivers: ", &(struct about){ PCR_DRIVERS, PCR_DRIVERS, "image", false, false, "digest", false }, "\n", out);
	if (out->len == 0)
		ai_buf_puts(out, "  drivers: none\n");
}

static void
rule_gpt(const json_t *facts, struct ai_buf *out)
{
	(void)facts;
	ai_buf_puts(out, "  gpt: any\n");
}

/* Variables of PCR 1 by name; of boot entries only that they are some. */
static void
rule_variables(const json_t *facts, struct ai_buf *out)
{
	AI_JSON *seen = json_object();
	size_t i;
	json_t *fact;
	json_array_foreach((json_t *)facts, i, fact) {
		const char *name = word_of(fact, "name");
		if (pcr_of(fact) != 1 || !is_what(fact, "variable"))
			continue;
		if (ai_policy_name_fits("Boot####", name))
			name = "Boot####";
		if (json_object_get(seen, name))
			continue;
		if (json_object_set_new(seen, name, json_true()) < 0)
			out->state = AI_BUF_NOMEM;
		ai_buf_puts(out, out->len ? "    - { name: " : "  variables:\n    - { name: ");
		ai_init_text(out, name);
		if (strcmp(word_of(fact, "guid"), AI_GUID_GLOBAL) != 0)
			ai_buf_printf(out, ", guid: %s", word_of(fact, "guid"));
		ai_buf_puts(out, is_believed(fact) ? " }\n" : ", unnamed: true }   # this firmware measures the value alone: nothing binds the name\n");
	}
}

static void
rule_uki(const json_t *facts, struct ai_buf *out)
{
	size_t i;
	json_t *fact;
	json_array_foreach((json_t *)facts, i, fact)
		if (pcr_of(fact) == PCR_UKI && is_what(fact, "uki-section") && strcmp(word_of(fact, "of"), "content") == 0) {
			ai_buf_puts(out, out->len ? "    " : "  uki:\n    ");
			ai_init_text(out, word_of(fact, "section"));
			ai_buf_printf(out, ": %s\n", word_of(fact, "digest"));
		}
}

/* --- the PCRs -------------------------------------------------------------------------- */

/* Did IMA measure nothing but the boot before it? */
static bool
aggregates(const struct ai_boots *boots)
{
	for (size_t i = 0; i < boots->n; i++)
		if (!ai_ima_is_boot_aggregate(boots->evidence[i].pcrs))
			return false;
	return true;
}

/* "zero", or the values that the proof's attestations quote. */
static void
put_values(const struct ai_boots *boots, int pcr, struct ai_buf *out)
{
	static const struct ai_digest zero;
	AI_JSON *seen = json_object();
	size_t n = 0;
	for (size_t i = 0; i < boots->n; i++)
		n += !ai_digest_eq(&boots->evidence[i].pcrs[pcr], &zero);
	ai_buf_puts(out, n ? "[" : "zero\n");
	for (size_t i = 0; n && i < boots->n; i++) {
		char hex[AI_HEX];
		ai_hex(&boots->evidence[i].pcrs[pcr], hex);
		if (json_object_get(seen, hex))
			continue;
		ai_buf_printf(out, "%s%s", json_object_size(seen) ? ", " : " ", hex);
		if (json_object_set_new(seen, hex, json_true()) < 0)
			out->state = AI_BUF_NOMEM;
	}
	if (n)
		ai_buf_puts(out, " ]\n");
}

static const char *const pcr_words[AI_N_BOOT_PCRS] = { "firmware", "firmware's settings, boot entries", "drivers and option ROMs", "their settings", "boot loaders and kernels",
	"partitions, end of the boot services", "the maker's", "Secure Boot", "GRUB's commands and command line", "files of the boot loader", "IMA",
	"sections of a UKI", "command line of a UKI, credentials", "extensions of a UKI", "shim's own keys" };

/* `pcrs:`, those of the mask by rules. */
static void
put_pcrs(const struct ai_boots *boots, unsigned rules, struct ai_buf *out)
{
	ai_buf_puts(out, "pcrs:\n");
	for (int pcr = 0; pcr < AI_N_BOOT_PCRS; pcr++) {
		ai_buf_printf(out, "  # %s\n  %d: ", pcr_words[pcr], pcr);
		if (rules >> pcr & 1)
			ai_buf_puts(out, "rules\n");
		else if (pcr == AI_PCR_IMA && aggregates(boots))
			ai_buf_puts(out, "boot-aggregate\n");
		else
			put_values(boots, pcr, out);
	}
}

static void
put_both(const struct ai_boots *boots, unsigned rules, const struct ai_buf *boot, struct ai_buf *out)
{
	put_pcrs(boots, rules, out);
	if (boot->len)
		ai_buf_printf(out, "boot:\n%s", boot->data);
}

void
ai_init_boot(const struct ai_boots *boots, const json_t *facts, struct ai_buf *out)
{
	static void (*const rules[])(const json_t *facts, struct ai_buf *out) = { rule_secure_boot, rule_secure_boot_keys, rule_verified_by, rule_firmware,
		rule_images, rule_drivers, rule_variables, rule_gpt, rule_command_line, rule_files, rule_uki };
	AI_BUF_AUTO boot = AI_BUF(AI_MAX_AICERTFILE);
	AI_BUF_AUTO made = AI_BUF(AI_MAX_AICERTFILE);
	unsigned by_rules = 0;
	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
		AI_BUF_AUTO rule = AI_BUF(AI_MAX_AICERTFILE);
		AI_BUF_AUTO alone = AI_BUF(AI_MAX_AICERTFILE);
		rules[i](facts, &rule);
		put_both(boots, 0, &rule, &alone);
		if (rule.len && holds(boots, alone.data))
			ai_buf_put(&boot, rule.data, rule.len);
	}
	for (int pcr = 1; pcr <= PCR_GPT; pcr += PCR_GPT - 1) {
		AI_BUF_AUTO alone = AI_BUF(AI_MAX_AICERTFILE);
		put_both(boots, 1u << pcr, &boot, &alone);
		if (alone.data && holds(boots, alone.data))
			by_rules |= 1u << pcr;
	}
	put_both(boots, by_rules, &boot, &made);
	if (!made.data || !holds(boots, made.data)) {
		ai_buf_puts(out, "\n# What was booted is not judged: the boot log does not replay to the PCRs that were quoted.\n");
		return;
	}
	ai_buf_puts(out, "\n# What was booted. Compare it with what the runner's sources give, or this says no more than \"as before\".\n"
		"# A PCR goes by values, by `rules` (then every event of it must be allowed under `boot`), or is zero.\n");
	ai_buf_put(out, made.data, made.len);
}
