/*
 * s3.h -- objects of S3 buckets, AWS's and others': what to ask over https, signed (AWS Signature Version 4) where there are keys.
 *
 *   s3://BUCKET/KEY                    AWS, or where AWS_ENDPOINT_URL_S3 (AWS_ENDPOINT_URL) says
 *   s3+https://HOST[:PORT]/BUCKET/KEY  that server
 *   ?region=R&versionId=V              of either; the region is else AWS_REGION, AWS_DEFAULT_REGION, or us-east-1
 *   ?list&prefix=P&after=KEY           a listing, ListObjectsV2; the key is empty
 *
 * Keys, prefixes and the like are percent-encoded. Credentials: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, else those of
 * AWS_PROFILE (default) in AWS_SHARED_CREDENTIALS_FILE (~/.aws/credentials). Without any, requests are not signed: public buckets want no more.
 *
 * Depends on: base, place.  Threads: reads the environment.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_S3_H
#define AI_S3_H

#include <stdbool.h>
#include <time.h>

#include "base/hash.h"
#include "base/json.h"
#include "fetch/place.h"

bool ai_s3_is(const char *uri);
/* The request for a URI of S3, as of now. AI_EINPUT when it is none. */
int ai_s3_place(const char *uri, struct ai_place *out, struct ai_err *err) AI_CHECKED;
bool ai_s3_is_listing(const char *uri);

/* --- pure ---------------------------------------------------------------------------------- */

struct ai_s3_keys { char *id, *secret, *session; }; /* session may be NULL */
void ai_s3_keys_done(struct ai_s3_keys *k);

/* A GET without a body, as it is signed: path and query canonical, header names in lower case. */
struct ai_s3_get {
	const char *host, *path, *query, *region;
	time_t at;
};
/* The header's value into a buffer of AI_S3_AUTHORIZATION bytes. AI_EINPUT when something is too long. */
#define AI_S3_AUTHORIZATION 1024
int ai_s3_sign(const struct ai_s3_get *get, const struct ai_s3_keys *keys, char out[AI_S3_AUTHORIZATION], struct ai_err *err) AI_CHECKED;

/* The profile's keys of a credentials file: 1, 0 it has none (or not both), negative: memory. */
int ai_s3_keys_read(const char *text, size_t n, const char *profile, struct ai_s3_keys *out, struct ai_err *err) AI_CHECKED;

/*
 * ai_s3_listing -- what ListBucketResult says: {"files": [{"key","size","etag"}], "more": true?}. s3_xml.c: a strict reader of the XML
 * that these servers write: no DTD, no CDATA, no entities but the five and characters by number.
 */
int ai_s3_listing(const char *xml, size_t n, json_t **out, struct ai_err *err) AI_CHECKED;

#endif
