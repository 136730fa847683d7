/* resolve_report.c -- what pip says, read (resolve_parts.h).  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "run/pip/resolve_parts.h"

/* "http://127.0.0.1:3141/file/<k>/<name>": k. */
static bool
file_number(const char *url, const char *prefix, size_t *out)
{
	size_t n = strlen(prefix), v = 0, digits;
	if (strncmp(url, prefix, n) != 0)
		return false;
	for (digits = 0; url[n + digits] >= '0' && url[n + digits] <= '9' && digits < 9; digits++)
		v = v * 10 + (size_t)(url[n + digits] - '0');
	*out = v;
	return digits && url[n + digits] == '/';
}

int
ai_pip_report(const char *text, size_t len, const char *prefix, size_t **out, size_t *n_out, struct ai_err *err)
{
	/* pip's report holds floats and null here and there, so it is not read as strictly as what we write ourselves. */
	json_error_t e;
	AI_JSON *report = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);
	const json_t *install = ai_json_arr(report, "install");
	AI_FREE size_t *numbers = ai_calloc(json_array_size(install) + 1, sizeof *numbers);
	size_t i, n = 0;
	json_t *item;
	if (!numbers)
		return ai_nomem(err);
	if (!install)
		return ai_fail(err, AI_EINPUT, "pip's report: has no list 'install'");
	json_array_foreach(install, i, item) {
		const char *url = ai_json_str(ai_json_obj(item, "download_info"), "url");
		if (!url || !file_number(url, prefix, &numbers[n++]))
			return ai_fail(err, AI_EINPUT, "pip's report: names something that comes from no index: '%.200s'", url ? url : "nothing");
	}
	*out = numbers;
	*n_out = n;
	numbers = NULL;
	return 0;
}

static void
put_line(struct ai_buf *b, const char *line, size_t n)
{
	for (size_t i = 0; i < n && i < 400; i++)
		ai_buf_putc(b, (unsigned char)line[i] < 0x20 || line[i] == 0x7f ? ' ' : line[i]);
}

void
ai_pip_complaint(const char *log, size_t len, struct ai_buf *b, char project[256])
{
	static const char word[] = "ERROR: ", found[] = "No matching distribution found for ";
	project[0] = '\0';
	for (const char *p = log, *end = log + len; p < end;) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((nl ? nl : end) - p);
		if (n > sizeof word - 1 && memcmp(p, word, sizeof word - 1) == 0) {
			const char *what = p + sizeof word - 1;
			size_t k = n - (sizeof word - 1);
			if (!b->len)
				put_line(b, what, k);
			if (k > sizeof found - 1 && memcmp(what, found, sizeof found - 1) == 0) {
				what += sizeof found - 1;
				size_t m = strspn(what, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.");
				m = m < k - (sizeof found - 1) ? m : k - (sizeof found - 1);
				AI_FREE char *name = m < 256 ? ai_project_name(what, m) : NULL;
				if (name)
					memcpy(project, name, strlen(name) + 1);
			}
		}
		p += n + 1;
	}
}
