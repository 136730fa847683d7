/*
 * roots_table.c -- the built-in anchors: facts about certificates that their makers publish, not the certificates.
 *
 * What stands here vouches for TPMs and nothing else. Left out, on purpose:
 *   - Microsoft's AME root (old anchor of Azure's Trusted Launch) and Microsoft RSA Devices Root CA 2021: both vouch for much that is no TPM, so
 *     that a certificate below them says little; Azure's vTPMs have a root of their own since 2023.
 *   - every intermediate whose root is here (Azure's and Google's, Infineon OPTIGA, STMicroelectronics, Nationz, Intel): it travels in the proof, and its
 *     signature is checked. STMicroelectronics' older roots are such intermediates too, below GlobalSign's two TPM roots.
 *   - IFX TPM EK Root CA: the VeriSign root above it is not to be had, and all that it signed is signed with SHA-1, which nobody here takes. Its intermediates
 *     are exact instead: what vouches for them is that their bytes are known, not the signature.
 * Exact for want of a root are AMD's Pluton factory (its issuer AMD Root CA R4 is not published with the TPM makers') and Alibaba's EKMF CA.
 * AMD's two roots exist in two encodings each of the same key and dates.
 * Nuvoton's older roots are no strict DER (a name's parts are not sorted); the key is what is pinned.
 * Alibaba's operates vTPMs, yet its certificates are for endorsement keys: an attestation key needs `aicert enroll`.
 *
 * tests/unit/test_roots.c recomputes all of it from the certificates. Sources: the makers' own pages, tpm2-tss, keylime, go-tpm-tools, Microsoft.
 *
 * Depends on: roots.  Threads: constant.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "attest/roots_parts.h"

const struct ai_root_fact ai_root_facts[] = {
	{ AI_ROLE_AK_CLOUD, AI_PROFILE_AZURE, "azure", "Azure Virtual TPM Root Certificate Authority 2023", "2023-06-01T18:08:53Z", "2048-06-01T18:15:41Z",
		"5cbc52672ae101263c2976736044a964c1182ce9412c39937183baddcccb8cdf", NULL },
	{ AI_ROLE_AK_CLOUD | AI_ROLE_EK, AI_PROFILE_GCE_CAS, "gcp", "GCE EK/AK CA Root", "2022-07-08T00:40:34Z", "2122-07-08T05:57:23Z",
		"56a613f57126a385dd6949294e93b0b566f96ab0573be0c2368e6f5ca779831f", NULL },
	{ AI_ROLE_AK_CLOUD | AI_ROLE_EK, AI_PROFILE_GCE_UCA, "gcp", "GCE tpm_ek_v1_cloud_host root", "2018-04-06T17:58:26Z", "2118-04-06T18:58:26Z",
		"f23057f4f97d1d90e4cae0ce91d5a0fc99069f0a1bc147021dca33b1e9c4d0d9", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "alibaba", "Aliyun TPM EKMF CA", "2021-09-16T05:48:24Z", "2030-12-31T23:59:59Z",
		"09bf17d50158ea4a4929870e0f287c3bc4edc60a4dc395c8e0ebfa1a4350b12e", "141805f04cd9b89bfbcd30cb792d5ca3a0a2382db6ee35720e6e27e4189e43a0" },
	{ AI_ROLE_EK, AI_PROFILE_EK, "amd", "AMDTPM ECC", "2016-01-01T05:00:00Z", "2041-01-01T05:00:00Z",
		"5cf1859ffbd2cd18c13345d47692bea4ea2464fbfb74298364fa979e833229f6", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "amd", "AMDTPM RSA", "2014-10-23T14:34:32Z", "2039-10-23T14:34:32Z",
		"899b9c9d6e926c40aaefbea3905173f00f7b52ad6eb4d2d32e6fcb1979710e2b", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "amd", "AMD Pluton Global Factory ICA", "2023-05-29T00:00:00Z", "2039-12-15T23:59:59Z",
		"30a9a82280ad0fabcc6fdcd61687db21e748a196ba8114d42d15454675dadc45", "593a1794f9e17476c7ad427d2908a97c451451c9e0939fdc80d5d662c232d401" },
	{ AI_ROLE_EK, AI_PROFILE_EK, "infineon", "Infineon OPTIGA(TM) ECC Root CA 2", "2019-11-22T00:00:00Z", "2054-11-22T23:59:59Z",
		"f21c8db44a3df3a43465230d30846f5fea08afa4428b982ff922065528c81f19", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "infineon", "Infineon OPTIGA(TM) ECC Root CA 3", "2021-03-18T00:00:00Z", "2099-12-31T23:59:59Z",
		"78cd04d396b5de0fb15ade38c8fd6d752dd692956a286f2dc9fc5d434256aacb", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "infineon", "Infineon OPTIGA(TM) ECC Root CA", "2013-07-26T00:00:00Z", "2043-07-25T23:59:59Z",
		"ce5183a19d6fe79a6c1b058cfa700379f67d587a8afd0f51621e82d9f00c5a28", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "infineon", "Infineon OPTIGA(TM) RSA Root CA 2", "2019-11-22T00:00:00Z", "2054-11-22T23:59:59Z",
		"d821e2a37a846f9f3a66a82c9346f18cc418c418fb6c55e933b25aee54afe8de", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "infineon", "Infineon OPTIGA(TM) RSA Root CA 3", "2021-03-18T00:00:00Z", "2099-12-31T23:59:59Z",
		"06e11829b97cd04844146be42b4e467b0756722a15df9398a98bb5faf2b20aa0", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "infineon", "Infineon OPTIGA(TM) RSA Root CA", "2013-07-26T00:00:00Z", "2043-07-25T23:59:59Z",
		"8a705088efa28a3845b35c7fcbf9c0f4bf46c77da18a6f1a173eb9074610cbd0", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "infineon", "IFX TPM EK Intermediate CA 01", "2005-10-20T13:47:43Z", "2025-10-20T13:47:43Z",
		"045c09a7a0c7d39fdbb0343dd94acfba16f883da6ad0a0c98d153067046bbfe7", "10ef22859b0a98121129aa0c4647a91fd412a5a79f1c628db3bfea4278d49abf" },
	{ AI_ROLE_EK, AI_PROFILE_EK, "infineon", "IFX TPM EK Intermediate CA 02", "2006-12-21T10:34:00Z", "2026-12-21T10:34:00Z",
		"36be92e7eef5e6d271d4ef3260a669f788bea4ab4df4d6672769f6b7130598f7", "b33027e90f3f47bb5c0c54b18451121af0211a568eca51b68927280707b42f0e" },
	{ AI_ROLE_EK, AI_PROFILE_EK, "infineon", "IFX TPM EK Intermediate CA 03", "2007-04-13T16:44:24Z", "2027-04-13T16:44:24Z",
		"159e8b893298b02aaf69a61ae4d67a51a38583120bf479cb1af1439a74a5166d", "2b2ab3993b854e496569fd1f187a383617eec1574bef0fa8c34bc013da40935f" },
	{ AI_ROLE_EK, AI_PROFILE_EK, "infineon", "IFX TPM EK Intermediate CA 04", "2007-12-03T13:07:55Z", "2027-12-03T13:07:55Z",
		"88052594793e1800dfcc86b5737332b928517c8b9242aeb7d025e289961553a8", "c2b50c0544fbfae3f8257410818bd2228759c04150989982c1b42c397abf00a8" },
	{ AI_ROLE_EK, AI_PROFILE_EK, "infineon", "IFX TPM EK Intermediate CA 05", "2009-12-11T10:38:42Z", "2029-12-11T10:38:42Z",
		"2644bee5d86fe279dd1559a1e022c9b3d3a1443db2c3560b8df4809691c03cc8", "ed80849cf19acd6df5895ab47c6ec91555a3081b4696b900f8e346e777177aed" },
	{ AI_ROLE_EK, AI_PROFILE_EK, "infineon", "IFX TPM EK Intermediate CA 08", "2012-07-17T09:24:52Z", "2030-10-18T23:59:59Z",
		"02963f74b97ee455851eb243cba22875cab64d230113c7b3bfc7c2ae7fefaa85", "608dd48ff87759f404917c7471ec8cbe7ad972c1699d810f0e1a70fb2b02573f" },
	{ AI_ROLE_EK, AI_PROFILE_EK, "infineon", "IFX TPM EK Intermediate CA 15", "2012-11-14T14:43:34Z", "2030-10-18T23:59:59Z",
		"1d5cf6cf3aa0bcdd8ea823963abfc050e4667b0bda4fab8396b83f9ce7e2e738", "8a3e7db4445c4a795fb9e524db3ed2edf96f8423723f16ff5f71ca6b84a3e88c" },
	{ AI_ROLE_EK, AI_PROFILE_EK, "infineon", "IFX TPM EK Intermediate CA 17", "2013-01-18T14:18:59Z", "2030-10-18T23:59:59Z",
		"b4d58a890ba6ef18d118159447e4a7f7595f2ac716bbb60845bd8df81bfd5846", "cb1a77acd98db771d35b1977eb82485f0e0f64f6deb0577a97330b5b532eb7ed" },
	{ AI_ROLE_EK, AI_PROFILE_EK, "infineon", "IFX TPM EK Intermediate CA 18", "2013-01-18T14:32:40Z", "2030-10-18T23:59:59Z",
		"c20d3dac7b115ec3245750444c37fef7fa33d9922d9d87e53ebbd1cb01456d29", "9cd83ef4897819d545d3cccccf33ba7947e34439a93c5d45a3f136303e1c248e" },
	{ AI_ROLE_EK, AI_PROFILE_EK, "infineon", "IFX TPM EK Intermediate CA 20", "2013-08-27T13:58:59Z", "2030-10-18T23:59:59Z",
		"e60f0721e6ee223662320885facf2c68d37178ddde768a61dfa3cfeb460577a9", "73a42ded6eab007af264a51c5a3956092cdbf5a6d209303a4e0d57416d762067" },
	{ AI_ROLE_EK, AI_PROFILE_EK, "infineon", "IFX TPM EK Intermediate CA 21", "2013-08-27T14:02:21Z", "2030-10-18T23:59:59Z",
		"160f54a79aec62d47b8cd94a3870bc39cfb7af9ef377acd521be765a2b3c3b8a", "014df370f125f4bc18c9fc4b41c17ec2311e8514fc9b622f5a633c10287c1ebd" },
	{ AI_ROLE_EK, AI_PROFILE_EK, "intel", "Intel OnDie CA Root Cert Signing", "2019-04-03T00:00:00Z", "2049-12-31T23:59:59Z",
		"84b25305bf5f90c399d7f520ad81f451e09b0025d0292143e1388970f9651484", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "intel", "Intel TPM EK root cert signing", "2014-01-15T00:00:00Z", "2049-12-31T23:59:59Z",
		"baf3caf0db083d8155424bb24d6fbbd8ba7487fc5b3ca45d3eb6b2b2e4656ade", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "microsoft", "Microsoft Pluton Root CA 2021", "2021-10-14T19:20:50Z", "2046-10-14T19:29:48Z",
		"664778b23fd09c0c61407fb4c2253f9a8978e64be8c4f9a89a92b4acc37d8a70", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "microsoft", "Microsoft TPM Root Certificate Authority 2014", "2014-12-10T21:31:19Z", "2039-12-10T21:39:28Z",
		"5eadfa0187a24edb747b98523f89cf92d33eeb20ec81b9d0a31e170b73c2dbb2", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nationz", "Nationz TPM Root CA", "2017-05-12T00:00:00Z", "2047-05-13T00:00:00Z",
		"07e4e5a1d8eab8f9cf05c54beee7897b3bf95f86f386407e3ba205aa620012de", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nsing", "NSING TPM ECC ROOT CA 001", "2024-03-27T00:00:00Z", "2059-03-27T00:00:00Z",
		"00846603beb1cd5a41f71a4cf98b0bd77f974c879c94f60809541de7287dea84", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nsing", "NSING TPM RSA ROOT CA 001", "2024-03-27T00:00:00Z", "2059-03-27T00:00:00Z",
		"b5eadb92b6aaf54816c45c6bf57a92ac945bf8285a1c7451008c6207269fad1d", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "NTC TPM EK Root CA 01", "2012-07-11T16:29:30Z", "2032-07-11T16:29:30Z",
		"e5011fae73883ff1e33954c975402a28dfdf87117e6e06cce3265519135420bd", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "NTC TPM EK Root CA 02", "2012-07-11T16:33:24Z", "2032-07-11T16:33:24Z",
		"30c2e5fb9fe11bb2d2d8f59d8bdbe2ef7a5e86e2a24d5f44556404b528957921", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "NTC TPM EK Root CA ARSUF 01", "2014-04-01T18:34:38Z", "2034-03-28T18:34:38Z",
		"a202990ccdbc2076007ecffc30d4fd30f691d22b4cdc8254690ae0acf8acaef4", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "Nuvoton TPM Root CA 0100", "2015-04-20T07:42:03Z", "2035-04-16T07:42:03Z",
		"2b40169e346867de502a647990f4d771980765f9cbef5c823380f3aa9626da53", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "Nuvoton TPM Root CA 1013", "2015-05-11T08:43:25Z", "2035-05-07T08:43:25Z",
		"5690aff798bb2bcadafda36bb94cb4e66c2f88ca9e019ad8d8cdc365d5b622d4", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "Nuvoton TPM Root CA 1014", "2017-08-21T11:03:36Z", "2037-08-17T11:03:36Z",
		"0d71a55353182c58daf9b4fdbaee0ea668ab483d1b6d09cc213ec1f25db1c5b2", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "Nuvoton TPM Root CA 1110", "2015-05-11T08:43:33Z", "2035-05-07T08:43:33Z",
		"b7f4414b44f1787f046aec866693cda643239b3d0f6998d0ad4adb841e4bd0db", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "Nuvoton TPM Root CA 1111", "2017-08-21T03:32:53Z", "2037-08-17T03:32:53Z",
		"c871b0ba1182676eeed4c2469d3d5fa3cfa09daca77ea823a4b454cf00dee11e", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "Nuvoton TPM Root CA 2010", "2015-04-23T06:59:19Z", "2035-04-19T06:59:19Z",
		"019f3ca91075a62732e395860cc52d2929549e86fcb95487d74809a829b160f1", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "Nuvoton TPM Root CA 2011", "2017-09-11T07:10:12Z", "2037-09-07T07:10:12Z",
		"9ce92f8d2aa0f87adc1621203351a24eb98f84b7e27cd27a29c794b9b1624ea1", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "Nuvoton TPM Root CA 2012", "2021-03-23T07:58:02Z", "2041-03-19T07:58:02Z",
		"064e1a4b66f054e5f49da0a05074004704384272f129daf3501b6c8ef85e9947", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "Nuvoton TPM Root CA 2110", "2015-10-19T04:32:00Z", "2035-10-15T04:32:00Z",
		"b54c81a52159aaf524c88dcf5a7e7a6f5f9ec2f4e69aee0bb3897f0c65e4faea", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "Nuvoton TPM Root CA 2111", "2017-09-11T07:09:49Z", "2037-09-07T07:09:49Z",
		"95b8ab2c350f58064c30a217f07e0a3353915edee572c5fb2ebcf8fa3f87a813", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "Nuvoton TPM Root CA 2112", "2021-03-23T07:58:06Z", "2041-03-19T07:58:06Z",
		"016b91ecb9f473ab57499ff308c3f948a40287d5d951e5f6651482ad7d381924", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "NPCTxxx ECC521 RootCA", "2023-04-27T16:36:58Z", "2053-04-27T16:36:58Z",
		"e73d53e508a4558df188cd77d18f3efa5fb18b8b48c1ee3b27679e08f431029c", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "NuvotonTPMRootCA1210", "2021-08-02T02:52:15Z", "2051-07-27T02:52:15Z",
		"f6564f73c8ad3bd48fe5571d06d7e2625b1736e716445460e78a5ac6b3b69768", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "NuvotonTPMRootCA2210", "2022-03-14T05:50:33Z", "2052-03-07T05:50:33Z",
		"d325df18987aeda5c6c072c178babc54c3e1e24e563c691fe881099dddcb31e8", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "NuvotonTPMRootCA2211", "2022-03-14T07:06:25Z", "2052-03-07T07:06:25Z",
		"1f3ddd0a51b57d54833ae705f8e47f28817a1551d12aee3c6beeed5f1ea2a59d", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "stmicroelectronics", "GlobalSign Trusted Platform Module ECC Root CA", "2014-11-26T00:00:00Z", "2038-01-19T03:14:07Z",
		"43679317522d3638ea18936a57c65b33086ba51c77536fe6e1b65492193314cb", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "stmicroelectronics", "GlobalSign Trusted Platform Module Root CA", "2009-03-18T10:00:00Z", "2049-03-18T10:00:00Z",
		"0035d2297fe237a636800382cc2c9e205c6930f84b507ceec3608545d273960f", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "stmicroelectronics", "STSAFE ECC Root CA 02", "2022-01-20T00:00:00Z", "9999-12-31T00:00:00Z",
		"7fbef05051f792251d32f5b265821137d47cd3dc3d604ace70ecc12e8e579924", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "stmicroelectronics", "STSAFE RSA Root CA 02", "2022-01-20T00:00:00Z", "9999-12-31T00:00:00Z",
		"566cb2589d45c1478036e667da1793daacdadbba57efd6aa29b78d0e6695fd9f", NULL },
};

const size_t ai_n_root_facts = sizeof ai_root_facts / sizeof *ai_root_facts;
