/* fuzz_lock.c -- any bytes as aicert.lock; what is read is written, read and written again to the same bytes.  SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "model/lock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ai_err err = { 0 };
	AI_JSON *lock = NULL;
	AI_JSON *again = NULL;
	AI_BUF_AUTO one = AI_BUF(AI_MAX_LOCK);
	AI_BUF_AUTO two = AI_BUF(AI_MAX_LOCK);
	int r = ai_lock_parse((const char *)data, size, &lock, &err);
	if (r < 0) {
		if (r != AI_EINPUT || lock || !err.text[0])
			abort();
		return 0;
	}
	if (ai_lock_format(lock, &one, &err) < 0 || ai_lock_parse(one.data, one.len, &again, &err) < 0 || ai_lock_format(again, &two, &err) < 0)
		abort();
	if (one.len != two.len || memcmp(one.data, two.data, one.len) != 0)
		abort();
	return 0;
}
