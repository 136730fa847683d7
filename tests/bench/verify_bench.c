/*
 * verify_bench -- proofs of any size, and milliseconds of processor time of judging them against what nobody could leave out.
 *
 *     verify_bench steps N FILE          writes a proof of N steps in a chain, executed in one run
 *     verify_bench attestations N FILE   writes a proof whose N results are reused, each attested by a machine of its own (P-256, two certificates)
 *     verify_bench parse FILE RUNS       prints: verify floor; the floor is jansson's parse, and SHA-256 of the canonical bytes
 *     verify_bench openssl FILE RUNS     prints: verify floor; the floor is the OpenSSL verifications of quotes and certificates, keys and certificates parsed before
 *     verify_bench start FILE            the floor of a whole process: one quote's signature and one chain, then it ends
 *
 * Each round judges and does the floor's work in turn; the least time of each counts.  SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <time.h>

#include "attest/quote/quote.h"
#include "base/fs.h"
#include "fake_cert.h"
#include "fake_tpm.h"
#include "proof/proof.h"
#include "proof/verify.h"

/* What a proof is made from; ids in hex. */
struct making {
	json_t *nodes, *blobs, *attestations;
	json_t *recipes, *results;           /* of plan and run */
	json_t *ids, *reused;                /* of the results: executed, and with their attestation */
	char source[AI_HEX], tree[AI_HEX], environment[AI_HEX], used[AI_HEX];
};

static double
now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* JSON with single quotes for double ones. */
static json_t *
json_of(const char *fmt, ...)
{
	char text[8192];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	for (char *p = text; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	json_t *j = NULL;
	ok(ai_json_parse(text, (size_t)n, "bench", &j, &err));
	return j;
}

static void
put_node(struct making *m, json_t *node, char id[AI_HEX])
{
	struct ai_digest d;
	ok(ai_json_id(node, &d, &err));
	ai_hex(&d, id);
	json_object_set_new(m->nodes, id, node);
}

static void
put_blob(struct making *m, const char *text, char id[AI_HEX])
{
	struct ai_digest d;
	ai_sha256(text, strlen(text), &d);
	ai_hex(&d, id);
	json_object_set_new(m->blobs, id, json_string(text));
}

static void
begin(struct making *m)
{
	char elf[AI_HEX], names[AI_HEX];
	*m = (struct making){ json_object(), json_object(), json_object(), json_array(), json_array(), json_array(), json_array(), "", "", "", "" };
	put_blob(m, "elf", elf);
	put_blob(m, "[\"libm.so.6\"]", names);
	memset(m->tree, 'b', 64);
	put_node(m, json_of("{'kind':'source','type':'git','uri':'https://example.org/r.git','ref':'main','revision':'036f1e8a41a9b9bb5c0e7d6b2fd8f3a0f4f0c1d2',"
		"'content':{'tree':'%s'}}", m->tree), m->source);
	put_node(m, json_of("{'kind':'environment','platform':'linux/amd64','host':true}"), m->environment);
	put_node(m, json_of("{'kind':'used','files':[{'id':'%s','path':'/usr/bin/python3.11','type':'exec'}],'absent':[],'listed':[{'names':'%s','path':'/usr/lib'}]}",
		elf, names), m->used);
}

/* The step of this number, which takes the output of the one before; an attestation of its result's when who is not NULL. */
static void
add_step(struct making *m, size_t i, char output[AI_HEX], char result_id[AI_HEX])
{
	char step_id[AI_HEX], text[64];
	AI_FREE char *head = ai_format("'kind':'step','actions':[{'do':'run','argv':['python3.11','main.py','--part','%zu'],'cwd':'/workspace/src','env':"
		"[{'name':'HF_HUB_OFFLINE','value':'1'},{'name':'PYTHONHASHSEED','value':'0'}]}],'environment':'%s',"
		"'outputs':[{'name':'out','path':'/workspace/outputs/out','type':'file'}]", i, m->environment);
	json_t *step = i ? json_of("{%s,'inputs':[{'path':'/workspace/resources/before','blob':'%s'},{'path':'/workspace/src','tree':'%s'}]}", head, output, m->tree)
		: json_of("{%s,'inputs':[{'path':'/workspace/src','tree':'%s'}]}", head, m->tree);
	json_t *recipe = i ? json_of("{%s,'inputs':[{'path':'/workspace/resources/before','step':'s%zu','output':'out'},{'path':'/workspace/src','tree':'%s'}]}", head,
		i - 1, m->tree) : json_deep_copy(step);
	put_node(m, step, step_id);
	struct ai_digest d;
	snprintf(text, sizeof text, "output %zu", i);
	ai_sha256(text, strlen(text), &d);
	ai_hex(&d, output);
	put_node(m, json_of("{'kind':'result','step':'%s','outputs':[{'blob':'%s','name':'out'}],'used':'%s'}", step_id, output, m->used), result_id);
	json_array_append_new(m->recipes, json_pack("{s:o, s:o}", "name", json_sprintf("s%zu", i), "recipe", recipe));
	json_array_append_new(m->results, json_pack("{s:o, s:s}", "name", json_sprintf("s%zu", i), "id", result_id));
}

/* An attestation (a proof's too, when root is given) of these results. */
static json_t *
attest(const struct fake_tpm *t, const char *plan, const char *root, const json_t *executed, const json_t *reused, char id[AI_HEX])
{
	char ak[AI_HEX];
	struct ai_digest d;
	fake_fingerprint(t, ak);
	json_t *claims = json_of("{'kind':'claims','plan':'%s','failed':[],'verified':[],'started':'2026-01-02T00:00:00Z','finished':'2026-01-02T00:00:05Z',"
		"'machine':{'cpu':'example'},'program':{'version':'0.1.0','sha256':'%s'},'ak':'%s',"
		"'boot_log':'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'}", plan, plan, ak);
	if (root)
		json_object_set_new(claims, "root", json_string(root));
	json_object_set_new(claims, "executed", json_copy((json_t *)executed));
	json_object_set_new(claims, "reused", json_copy((json_t *)reused));
	ok(ai_json_id(claims, &d, &err));
	ai_hex(&d, id);
	json_t *log = json_of("[{'event':'plan','id':'%s'},{'event':'claims','id':'%s'}]", plan, id);
	if (json_array_size(executed))
		json_array_insert_new(log, 1, json_pack("{s:s, s:o}", "event", "results", "ids", json_copy((json_t *)executed)));
	json_t *a = fake_attestation(t, claims, log);
	json_decref(claims);
	json_decref(log);
	return a;
}

static int
get_node(void *ctx, const struct ai_digest *id, json_t **out, struct ai_err *err)
{
	char hex[AI_HEX];
	ai_hex(id, hex);
	*out = json_incref(json_object_get(((struct making *)ctx)->nodes, hex));
	return *out ? 0 : ai_fail(err, AI_EINPUT, "no node %s", hex);
}

static int
get_blob(void *ctx, const struct ai_digest *id, struct ai_buf *out, struct ai_err *err)
{
	char hex[AI_HEX];
	ai_hex(id, hex);
	const char *text = ai_json_str(((struct making *)ctx)->blobs, hex);
	ai_buf_puts(out, text ? text : "");
	return text ? 0 : ai_fail(err, AI_EINPUT, "no blob %s", hex);
}

static int
get_attestation(void *ctx, const struct ai_digest *id, json_t **out, struct ai_err *err)
{
	char hex[AI_HEX];
	ai_hex(id, hex);
	*out = json_incref(json_object_get(((struct making *)ctx)->attestations, hex));
	return *out ? 0 : ai_fail(err, AI_EINPUT, "no attestation %s", hex);
}

/* A TPM whose key a CA of ours vouches for. */
static void
certified(struct fake_tpm *t, EVP_PKEY *ca, size_t i)
{
	AI_FREE char *subject = ai_format("machine %zu", i);
	const struct fake_cert root = { .subject = "bench CA", .issuer = "bench CA", .key = ca, .signer = ca, .constraints = "critical,CA:TRUE",
		.usage = "critical,keyCertSign", .serial = 1, .not_before = 1767225600, .not_after = 2082758400 };
	static json_t *root_text;
	fake_tpm_init(t);
	const struct fake_cert leaf = { .subject = subject, .issuer = "bench CA", .key = t->key, .signer = ca, .constraints = "critical,CA:FALSE",
		.usage = "critical,digitalSignature", .extended = "2.23.133.8.3", .serial = (long)i + 2 };
	if (!root_text)
		root_text = fake_cert_text(&root);
	t->certificates = json_array();
	json_array_append_new(t->certificates, fake_cert_text(&leaf));
	json_array_append(t->certificates, root_text);
}

static void
write_proof(struct making *m, EVP_PKEY *ca, size_t n, const char *file)
{
	char aicertfile[AI_HEX], lock[AI_HEX], rule[AI_HEX], plan_id[AI_HEX], root[AI_HEX], id[AI_HEX], name[32];
	struct ai_digest d;
	struct fake_tpm t = { 0 };
	json_t *proof = NULL, *plan, *run;
	const json_t *last;
	put_blob(m, "aicert: 1\n", aicertfile);
	put_blob(m, "{}\n", lock);
	put_blob(m, "-- rule\n", rule);
	snprintf(name, sizeof name, "s%zu", n - 1);
	plan = json_of("{'kind':'plan','aicertfile':'%s','lock':'%s','rules':[{'name':'python','blob':'%s'}],'parameters':[],'sources':[{'name':'code','id':'%s'}],"
		"'steps':[],'outputs':[{'name':'model','step':'%s','output':'out'}]}", aicertfile, lock, rule, m->source, name);
	json_object_set(plan, "steps", m->recipes);
	put_node(m, plan, plan_id);
	last = json_object_get(m->nodes, ai_json_str(json_array_get(m->results, n - 1), "id"));
	run = json_of("{'kind':'run','format':1,'name':'bench','plan':'%s','results':[],'outputs':[{'name':'model','blob':'%s'}],'lineage':[]}", plan_id,
		ai_json_str(json_array_get(json_object_get(last, "outputs"), 0), "blob"));
	json_object_set(run, "results", m->results);
	put_node(m, run, root);
	certified(&t, ca, 0);
	json_t *attestation = attest(&t, plan_id, root, m->ids, m->reused, id);
	struct ai_proof_source src = { get_node, get_blob, get_attestation, m, false, NULL };
	ai_unhex(root, &d);
	ok(ai_proof_make(&d, attestation, &src, &proof, &err));
	AI_BUF_AUTO text = AI_BUF(AI_MAX_PROOF);
	ok(ai_json_pretty(proof, &text, &err));
	ok(ai_write_file(AT_FDCWD, file, text.data, text.len, 0644, &err));
	json_decref(proof);
	json_decref(attestation);
	fake_tpm_done(&t);
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(json_string_value(*(json_t *const *)a), json_string_value(*(json_t *const *)b));
}

/* The ids of a claims list stand in order. */
static json_t *
in_order(json_t *list)
{
	size_t n = json_array_size(list);
	json_t **v = ai_calloc(n + 1, sizeof *v), *out = json_array();
	for (size_t i = 0; i < n; i++)
		v[i] = json_array_get(list, i);
	qsort(v, n, sizeof *v, by_text);
	for (size_t i = 0; i < n; i++)
		json_array_append(out, v[i]);
	free(v);
	json_decref(list);
	return out;
}

static int
make(bool reused, size_t n, const char *file)
{
	struct making m;
	char output[AI_HEX] = "", result[AI_HEX], id[AI_HEX];
	EVP_PKEY *ca = EVP_EC_gen("P-256");
	begin(&m);
	for (size_t i = 0; i < n; i++) {
		add_step(&m, i, output, result);
		if (!reused) {
			json_array_append_new(m.ids, json_string(result));
			continue;
		}
		struct fake_tpm t;
		json_t *one = json_pack("[s]", result), *none = json_array();
		certified(&t, ca, i + 1);
		json_t *a = attest(&t, m.source, NULL, one, none, id);
		json_object_set_new(m.attestations, id, a);
		json_array_append_new(m.reused, json_pack("{s:s, s:s}", "result", result, "attestation", id));
		json_decref(one);
		json_decref(none);
		fake_tpm_done(&t);
	}
	m.ids = in_order(m.ids);
	write_proof(&m, ca, n, file);
	EVP_PKEY_free(ca);
	return 0;
}

/* --- times ---------------------------------------------------------------------- */

static void
read_proof(const char *file, struct ai_buf *out)
{
	*out = AI_BUF(AI_MAX_PROOF);
	ok(ai_read_file(AT_FDCWD, file, out, &err));
}

/* Judged as `aicert verify --require unsigned` does, without planning again. Fails when a check failed. */
static void
judge(const struct ai_buf *text)
{
	struct ai_verify_options o = { .require = AI_LEVEL_UNSIGNED, .now = time(NULL) };
	json_t *report = NULL;
	ok(ai_verify(text->data, text->len, "bench", &o, &report, &err));
	json_decref(report);
}

static void
parse_floor(const struct ai_buf *text, const struct ai_buf *canonical)
{
	json_error_t e;
	struct ai_digest d;
	json_t *j = json_loadb(text->data, text->len, JSON_REJECT_DUPLICATES, &e);
	ai_sha256(canonical->data, canonical->len, &d);
	json_decref(j);
}

static int
time_parse(const char *file, int runs)
{
	struct ai_buf text, canonical = AI_BUF(AI_MAX_PROOF);
	json_t *j = NULL;
	double best[2] = { 1e9, 1e9 };
	read_proof(file, &text);
	ok(ai_json_parse(text.data, text.len, file, &j, &err));
	ok(ai_canon(j, &canonical, &err));
	json_decref(j);
	while (runs-- > 0) {
		double a = now_ms();
		judge(&text);
		double b = now_ms();
		parse_floor(&text, &canonical);
		double c = now_ms();
		best[0] = b - a < best[0] ? b - a : best[0];
		best[1] = c - b < best[1] ? c - b : best[1];
	}
	printf("%.3f %.3f\n", best[0], best[1]);
	return 0;
}

/* What OpenSSL is asked to verify: quotes under keys, certificates under their issuers'. */
struct asked {
	struct { EVP_PKEY *key; struct ai_buf quote, der; } quotes[1024];
	struct { X509 *cert; EVP_PKEY *issuer; } links[4096];
	size_t n_quotes, n_links;
};

static void
decode(const json_t *text, struct ai_buf *out)
{
	*out = AI_BUF(AI_MAX_BOOT_LOG);
	ok(ai_b64_get(json_string_value(text), json_string_length(text), out, &err));
}

/* A TPMT_SIGNATURE of ECDSA over P-256, in DER. */
static void
signature_der(const struct ai_buf *sig, struct ai_buf *out)
{
	const uint8_t *p = (const uint8_t *)sig->data;
	ECDSA_SIG *s = ECDSA_SIG_new();
	unsigned char *der = NULL;
	ECDSA_SIG_set0(s, BN_bin2bn(p + 6, 32, NULL), BN_bin2bn(p + 40, 32, NULL));
	int n = i2d_ECDSA_SIG(s, &der);
	*out = AI_BUF(AI_MAX_QUOTE);
	ai_buf_put(out, der, (size_t)n);
	OPENSSL_free(der);
	ECDSA_SIG_free(s);
}

/* Certificates that stand in more than one attestation are asked about once. */
static void
ask_link(struct asked *q, X509 *cert, EVP_PKEY *issuer)
{
	for (size_t i = 0; i < q->n_links; i++)
		if (X509_cmp(q->links[i].cert, cert) == 0)
			return;
	q->links[q->n_links].cert = cert;
	q->links[q->n_links++].issuer = issuer;
}

static void
ask(struct asked *q, const json_t *attestation)
{
	const json_t *e = json_object_get(attestation, "evidence"), *certificates = json_object_get(e, "ak_certificates");
	struct ai_buf sig, der[4];
	X509 *certs[4] = { 0 };
	size_t n = json_array_size(certificates);
	decode(json_object_get(attestation, "low_level_quote"), &q->quotes[q->n_quotes].quote);
	decode(json_object_get(attestation, "signature"), &sig);
	signature_der(&sig, &q->quotes[q->n_quotes].der);
	for (size_t i = 0; i < n && i < 4; i++) {
		decode(json_array_get(certificates, i), &der[i]);
		const unsigned char *p = (const unsigned char *)der[i].data;
		certs[i] = d2i_X509(NULL, &p, (long)der[i].len);
	}
	q->quotes[q->n_quotes++].key = X509_get_pubkey(certs[0]);
	for (size_t i = 0; i < n && i < 4; i++)
		ask_link(q, certs[i], X509_get_pubkey(certs[i + 1 < n ? i + 1 : i]));
}

static void
openssl_floor(const struct asked *q)
{
	for (size_t i = 0; i < q->n_quotes; i++) {
		EVP_MD_CTX *md = EVP_MD_CTX_new();
		const struct ai_buf *quote = &q->quotes[i].quote, *der = &q->quotes[i].der;
		assert_int_equal(EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, q->quotes[i].key), 1);
		assert_int_equal(EVP_DigestVerify(md, (const unsigned char *)der->data, der->len, (const unsigned char *)quote->data, quote->len), 1);
		EVP_MD_CTX_free(md);
	}
	for (size_t i = 0; i < q->n_links; i++)
		assert_int_equal(X509_verify(q->links[i].cert, q->links[i].issuer), 1);
}

static struct asked asked;

static void
ask_all(const json_t *proof)
{
	const char *id;
	json_t *a;
	ask(&asked, proof);
	json_object_foreach(json_object_get(proof, "attestations"), id, a)
		ask(&asked, a);
}

static int
time_openssl(const char *file, int runs)
{
	struct ai_buf text;
	json_t *j = NULL;
	double best[2] = { 1e9, 1e9 };
	read_proof(file, &text);
	ok(ai_json_parse(text.data, text.len, file, &j, &err));
	ask_all(j);
	while (runs-- > 0) {
		double a = now_ms();
		judge(&text);
		double b = now_ms();
		openssl_floor(&asked);
		double c = now_ms();
		best[0] = b - a < best[0] ? b - a : best[0];
		best[1] = c - b < best[1] ? c - b : best[1];
	}
	printf("%.3f %.3f %zu %zu\n", best[0], best[1], asked.n_quotes, asked.n_links);
	return 0;
}

static int
start(const char *file)
{
	struct ai_buf text;
	json_t *j = NULL;
	ai_crypto_without_config();
	read_proof(file, &text);
	ok(ai_json_parse(text.data, text.len, file, &j, &err));
	ask(&asked, j);
	openssl_floor(&asked);
	return 0;
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	size_t n = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
	if (argc == 4 && strcmp(what, "steps") == 0)
		return make(false, n, argv[3]);
	if (argc == 4 && strcmp(what, "attestations") == 0 && n < 1000)
		return make(true, n, argv[3]);
	if (argc == 4 && strcmp(what, "parse") == 0)
		return time_parse(argv[2], (int)strtoull(argv[3], NULL, 10));
	if (argc == 4 && strcmp(what, "openssl") == 0)
		return time_openssl(argv[2], (int)strtoull(argv[3], NULL, 10));
	if (argc == 3 && strcmp(what, "start") == 0)
		return start(argv[2]);
	return 2;
}
