/* test_timestamp_answer.c -- attest/timestamp: asking an authority, and what may come back.  SPDX-License-Identifier: Apache-2.0 */
#include "attest/x509/timestamp.h"

#include "fake_tsa.h"

static const struct ai_digest imprint = { { 1, 2, 3 } }, other = { { 1, 2, 4 } };
static const uint8_t nonce[8] = { 0x91, 2, 3, 4, 5, 6, 7, 8 }, other_nonce[8] = { 0x91, 2, 3, 4, 5, 6, 7, 9 };

#define TEST(name) static void name(void **state)
#define TSA struct fake_tsa t; (void)state; fake_tsa_init(&t)

/* TimeStampResp around a token, DER or as it is. */
static void
respond(int status, const void *token, size_t n, struct ai_buf *out)
{
	/* PKIStatusInfo with a status only is 30 03 02 01 xx. */
	size_t len = 5 + n;
	ai_buf_put(out, "\x30\x82", 2);
	ai_buf_putc(out, (char)(len >> 8));
	ai_buf_putc(out, (char)len);
	ai_buf_put(out, "\x30\x03\x02\x01", 4);
	ai_buf_putc(out, (char)status);
	ai_buf_put(out, token, n);
}

TEST(request_asks_for_certificate_and_nonce)
{
	(void)state;
	AI_BUF_AUTO b = AI_BUF(AI_MAX_TEXT);
	ok(ai_timestamp_request(&imprint, nonce, &b, &err));
	const unsigned char *p = (const unsigned char *)b.data;
	TS_REQ *req = d2i_TS_REQ(NULL, &p, (long)b.len);
	assert_non_null(req);
	assert_true(TS_REQ_get_cert_req(req));
	BIGNUM *bn = ASN1_INTEGER_to_BN(TS_REQ_get_nonce(req), NULL);
	uint8_t got[8];
	assert_int_equal(BN_bn2binpad(bn, got, 8), 8);
	assert_memory_equal(got, nonce, 8);
	assert_memory_equal(ASN1_STRING_get0_data(TS_MSG_IMPRINT_get_msg(TS_REQ_get_msg_imprint(req))), imprint.b, 32);
	BN_free(bn);
	TS_REQ_free(req);
}

TEST(answer_gives_the_token)
{
	TSA;
	AI_BUF_AUTO token = AI_BUF(AI_MAX_TEXT), ber = AI_BUF(AI_MAX_TEXT), answer = AI_BUF(AI_MAX_TEXT), got = AI_BUF(AI_MAX_TEXT), again = AI_BUF(AI_MAX_TEXT);
	t.nonce = nonce;
	fake_token(&t, &imprint, &token);
	respond(0, token.data, token.len, &answer);
	ok(ai_timestamp_answer(answer.data, answer.len, &imprint, nonce, &got, &err));
	assert_int_equal(got.len, token.len);
	assert_memory_equal(got.data, token.data, got.len);
	/* An authority that writes BER is asked as well; the proof gets DER. */
	ai_buf_clear(&answer);
	fake_ber(&token, &ber);
	respond(1, ber.data, ber.len, &answer);
	ok(ai_timestamp_answer(answer.data, answer.len, &imprint, NULL, &again, &err));
	assert_int_equal(again.len, token.len);
	assert_memory_equal(again.data, token.data, again.len);
	fake_tsa_done(&t);
}

TEST(answer_that_is_none)
{
	TSA;
	AI_BUF_AUTO token = AI_BUF(AI_MAX_TEXT), answer = AI_BUF(AI_MAX_TEXT), left = AI_BUF(AI_MAX_TEXT);
	t.nonce = nonce;
	fake_token(&t, &imprint, &token);
	respond(0, token.data, token.len, &answer);
	refused(AI_ENO, "its nonce is another", ai_timestamp_answer(answer.data, answer.len, &imprint, other_nonce, &left, &err));
	refused(AI_ENO, "stamp of something else", ai_timestamp_answer(answer.data, answer.len, &other, nonce, &left, &err));
	refused(AI_EINPUT, "is no TimeStampResp", ai_timestamp_answer(answer.data, answer.len - 1, &imprint, nonce, &left, &err));
	ai_buf_putc(&answer, 0);
	refused(AI_EINPUT, "is no TimeStampResp", ai_timestamp_answer(answer.data, answer.len, &imprint, nonce, &left, &err));
	refused(AI_EINPUT, "is no TimeStampResp", ai_timestamp_answer("<html>", 6, &imprint, nonce, &left, &err));
	refused(AI_EINPUT, "is no TimeStampResp", ai_timestamp_answer("", 0, &imprint, nonce, &left, &err));
	ai_buf_clear(&answer);
	respond(2, token.data, token.len, &answer);
	refused(AI_ENO, "gives no timestamp: status 2", ai_timestamp_answer(answer.data, answer.len, &imprint, nonce, &left, &err));
	ai_buf_clear(&answer);
	respond(0, "", 0, &answer);
	refused(AI_EINPUT, "does not hold", ai_timestamp_answer(answer.data, answer.len, &imprint, nonce, &left, &err));
	assert_int_equal(left.len, 0);
	fake_tsa_done(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_asks_for_certificate_and_nonce),
		cmocka_unit_test(answer_gives_the_token),
		cmocka_unit_test(answer_that_is_none),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
