/* eventlog_efi.c -- UEFI variables, signature lists, images and partition tables in a log; see eventlog.h.  SPDX-License-Identifier: Apache-2.0 */
#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

#include "attest/eventlog/eventlog_parts.h"
#include "base/hash.h"

enum { GUID = 16, VARIABLE_HEAD = 32, LIST_HEAD = 28 };

/* EFI_CERT_…_GUID, UEFI 2.10 section 32.4.1, as they lie in memory. */
static const uint8_t cert_x509[GUID] = { 0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72 };
static const uint8_t cert_sha256[GUID] = { 0x26, 0x16, 0xc4, 0xc1, 0x4c, 0x50, 0x92, 0x40, 0xac, 0xa9, 0x41, 0xf9, 0x36, 0x93, 0x43, 0x28 };

bool
ai_efi_variable(const uint8_t *p, size_t n, struct ai_efi_variable *out)
{
	if (n < VARIABLE_HEAD)
		return false;
	uint64_t name_len = ai_le64(p + GUID), value_len = ai_le64(p + GUID + 8);
	if (name_len > (n - VARIABLE_HEAD) / 2 || value_len > n - VARIABLE_HEAD - 2 * name_len)
		return false;
	*out = (struct ai_efi_variable){ .guid = p, .name = p + VARIABLE_HEAD, .name_len = 2 * (size_t)name_len };
	out->value = out->name + out->name_len;
	out->value_len = (size_t)value_len;
	out->end = VARIABLE_HEAD + out->name_len + out->value_len;
	return true;
}

/* Some count the NUL behind a name. */
static size_t
name_bytes(const struct ai_efi_variable *v)
{
	size_t n = v->name_len;
	return n >= 2 && v->name[n - 1] == 0 && v->name[n - 2] == 0 ? n - 2 : n;
}

bool
ai_efi_variable_named(const struct ai_efi_variable *v, const char *name)
{
	size_t n = strlen(name);
	if (name_bytes(v) != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (v->name[2 * i] != (uint8_t)name[i] || v->name[2 * i + 1] != 0)
			return false;
	return true;
}

/* A DER value with this tag at the front of *p: *p and *n become what follows it, *in and *n_in its content. False when there is none. */
static bool
der_next(const uint8_t **p, size_t *n, uint8_t tag, const uint8_t **in, size_t *n_in)
{
	if (*n < 2 || (*p)[0] != tag)
		return false;
	size_t len = (*p)[1], head = 2;
	if (len >= 0x80) {
		size_t bytes = len & 0x7f;
		if (bytes == 0 || bytes > 3 || *n < 2 + bytes)
			return false;
		len = 0;
		for (size_t i = 0; i < bytes; i++)
			len = len << 8 | (*p)[2 + i];
		head += bytes;
	}
	if (len > *n - head)
		return false;
	*in = *p + head;
	*n_in = len;
	*p += head + len;
	*n -= head + len;
	return true;
}

/*
 * The subject's Name in a Certificate. Not by d2i_X509, which takes the key to pieces too: of a revocation list's many that would be most of
 * the work, and nobody asks for it here.
 */
static bool
subject_name(const uint8_t *p, size_t n, const uint8_t **out, size_t *n_out)
{
	enum { SEQUENCE = 0x30, INTEGER = 0x02, VERSION = 0xa0 };
	const uint8_t *in;
	size_t n_in;
	for (int i = 0; i < 2; i++) {
		if (!der_next(&p, &n, SEQUENCE, &in, &n_in))
			return false;
		p = in;
		n = n_in;
	}
	(void)der_next(&p, &n, VERSION, &in, &n_in);
	if (!der_next(&p, &n, INTEGER, &in, &n_in))
		return false;
	/* Algorithm, issuer, validity. */
	for (int i = 0; i < 3; i++)
		if (!der_next(&p, &n, SEQUENCE, &in, &n_in))
			return false;
	*out = p;
	size_t before = n;
	if (!der_next(&p, &n, SEQUENCE, &in, &n_in))
		return false;
	*n_out = before - n;
	return true;
}

/* A certificate: who it is for, and its own hash. */
static void
put_certificate(struct ai_fact *f, json_t *o, const uint8_t *der, size_t n)
{
	struct ai_digest d;
	const uint8_t *p;
	size_t n_name;
	ai_sha256(der, n, &d);
	ai_fact_set(f, o, "sha256", ai_json_hex(&d));
	X509_NAME *name = n <= AI_MAX_CERT && subject_name(der, n, &p, &n_name) ? d2i_X509_NAME(NULL, &p, (long)n_name) : NULL;
	BIO *bio = name ? BIO_new(BIO_s_mem()) : NULL;
	char *text = NULL;
	long len = bio && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0 ? BIO_get_mem_data(bio, &text) : 0;
	if (len > 0) {
		AI_BUF_AUTO b = AI_BUF(AI_MAX_TEXT);
		ai_text_bytes(&b, (const uint8_t *)text, (size_t)len);
		ai_fact_text(f, o, "subject", &b);
	}
	BIO_free(bio);
	X509_NAME_free(name);
	ERR_clear_error();
}

/* One signature: its owner, its type, and what it is. False when the log's share of them is used up. */
static bool
put_signature(struct ai_fact *f, json_t *list, const uint8_t *owner, const uint8_t type[GUID], const uint8_t *data, size_t n)
{
	if (*f->signatures_left == 0)
		return false;
	--*f->signatures_left;
	json_t *o = json_object();
	AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
	if (owner) {
		ai_text_guid(&text, owner);
		ai_fact_text(f, o, "owner", &text);
	}
	if (memcmp(type, cert_x509, GUID) == 0) {
		ai_fact_set(f, o, "type", json_string("x509"));
		put_certificate(f, o, data, n);
	} else if (memcmp(type, cert_sha256, GUID) == 0 && n == 32) {
		ai_fact_set(f, o, "type", json_string("sha256"));
		ai_fact_hex(f, o, "sha256", data, n);
	} else {
		ai_text_guid(&text, type);
		ai_fact_text(f, o, "type", &text);
		ai_fact_hex(f, o, "value", data, n);
	}
	if (json_array_append_new(list, o) < 0)
		f->failed = true;
	return true;
}

/* EFI_SIGNATURE_LISTs to the end of p; false when they are malformed or too many. */
static bool
put_signature_lists(struct ai_fact *f, json_t *list, const uint8_t *p, size_t n)
{
	while (n > 0) {
		if (n < LIST_HEAD)
			return false;
		size_t size = ai_le32(p + 16), head = ai_le32(p + 20), each = ai_le32(p + 24);
		if (size < LIST_HEAD || size > n || head > size - LIST_HEAD || each <= GUID || (size - LIST_HEAD - head) % each != 0)
			return false;
		for (size_t at = LIST_HEAD + head; at < size; at += each)
			if (!put_signature(f, list, p + at, p, p + at + GUID, each - GUID))
				return false;
		p += size;
		n -= size;
	}
	return true;
}

/* Is it one DER SEQUENCE, whole? */
static bool
is_der(const uint8_t *p, size_t n)
{
	return n >= 4 && p[0] == 0x30 && p[1] == 0x82 && ((size_t)p[2] << 8 | p[3]) == n - 4;
}

/* EV_EFI_VARIABLE_AUTHORITY: what let an image start. An EFI_SIGNATURE_DATA; older shims leave out its owner. */
static bool
put_authority(struct ai_fact *f, json_t *list, const struct ai_efi_variable *v)
{
	if (is_der(v->value, v->value_len))
		return put_signature(f, list, NULL, cert_x509, v->value, v->value_len);
	if (v->value_len > GUID && is_der(v->value + GUID, v->value_len - GUID))
		return put_signature(f, list, v->value, cert_x509, v->value + GUID, v->value_len - GUID);
	if (v->value_len == GUID + 32)
		return put_signature(f, list, v->value, cert_sha256, v->value + GUID, 32);
	return true;
}

static bool
holds_signature_lists(const struct ai_efi_variable *v)
{
	static const char *const names[] = { "PK", "KEK", "db", "dbx", "dbt", "dbr" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (ai_efi_variable_named(v, names[i]))
			return true;
	return false;
}

void
ai_fact_variable(struct ai_fact *f)
{
	const struct ai_event *e = f->event;
	struct ai_efi_variable v;
	size_t covered;
	if (!ai_efi_variable(e->data, e->data_len, &v)) {
		ai_fact_what(f, "variable", false);
		return;
	}
	bool authority = e->type == EV_EFI_VARIABLE_AUTHORITY, readable = true;
	bool whole = ai_fact_of_data(f, &covered) && v.end <= covered;
	AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
	ai_text_guid(&text, v.guid);
	ai_fact_text(f, f->o, "guid", &text);
	ai_text_utf16(&text, v.name, name_bytes(&v));
	ai_fact_text(f, f->o, "name", &text);
	ai_fact_hex(f, f->o, "value", v.value, v.value_len);
	ai_fact_set(f, f->o, "authority", json_boolean(authority));
	if (ai_efi_variable_named(&v, "SbatLevel")) {
		ai_text_bytes(&text, v.value, v.value_len);
		ai_fact_text(f, f->o, "text", &text);
	}
	bool lists = !authority && holds_signature_lists(&v);
	if (lists || (authority && !ai_efi_variable_named(&v, "SbatLevel"))) {
		json_t *signatures = json_array();
		readable = lists ? put_signature_lists(f, signatures, v.value, v.value_len) : put_authority(f, signatures, &v);
		if (lists || json_array_size(signatures))
			ai_fact_set(f, f->o, "signatures", signatures);
		else
			json_decref(signatures);
	}
	/* Boot#### and BootOrder: older firmware hashes the value alone, and then nothing says whose value it was. */
	if (!whole)
		ai_fact_set(f, f->o, "value_believed", json_boolean(ai_fact_is(f, v.value, v.value_len)));
	ai_fact_what(f, "variable", whole && readable);
}

/* UEFI_IMAGE_LOAD_EVENT: where it was loaded, and from where. The digest is the image's own. */
void
ai_fact_image(struct ai_fact *f)
{
	enum { HEAD = 32 };
	const struct ai_event *e = f->event;
	AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
	if (e->data_len >= HEAD && ai_le64(e->data + 24) <= e->data_len - HEAD)
		ai_text_device_path(&text, e->data + HEAD, (size_t)ai_le64(e->data + 24));
	ai_fact_text(f, f->o, "path", &text);
	ai_fact_what(f, "image", f->digest != NULL);
}

/* UEFI_GPT_DATA: the partition table's header, then the entries in use. */
void
ai_fact_gpt(struct ai_fact *f)
{
	enum { DISK_AT = 56, HEADER = 92, ENTRY = 128 };
	const struct ai_event *e = f->event;
	size_t covered;
	bool shaped = e->data_len >= HEADER + 8 && memcmp(e->data, "EFI PART", 8) == 0;
	if (shaped) {
		AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
		ai_text_guid(&text, e->data + DISK_AT);
		ai_fact_text(f, f->o, "disk", &text);
		uint64_t n = ai_le64(e->data + HEADER);
		shaped = n <= (e->data_len - HEADER - 8) / ENTRY;
		if (shaped)
			ai_fact_set(f, f->o, "partitions", json_integer((json_int_t)n));
	}
	ai_fact_what(f, "gpt", shaped && ai_fact_of_data(f, &covered) && covered == e->data_len);
}
