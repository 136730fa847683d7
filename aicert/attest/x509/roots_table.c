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
#include "attest/x509/roots_parts.h"

const struct ai_root_fact ai_root_facts[] = {
	{ AI_ROLE_AK_CLOUD, AI_PROFILE_AZURE, "azure", "Azure Virtual TPM Root Certificate Authority 2023", 1685642933, 2474648141, /* 2023-06-01 to 2048-06-01 */
		"5cbc52672ae101263c2976736044a964c1182ce9412c39937183baddcccb8cdf", NULL },
	{ AI_ROLE_AK_CLOUD | AI_ROLE_EK, AI_PROFILE_GCE_CAS, "gcp", "GCE EK/AK CA Root", 1657240834, 4812933443, /* 2022-07-08 to 2122-07-08 */
		"56a613f57126a385dd6949294e93b0b566f96ab0573be0c2368e6f5ca779831f", NULL },
	{ AI_ROLE_AK_CLOUD | AI_ROLE_EK, AI_PROFILE_GCE_UCA, "gcp", "GCE tpm_ek_v1_cloud_host root", 1523037506, 4678714706, /* 2018-04-06 to 2118-04-06 */
		"f23057f4f97d1d90e4cae0ce91d5a0fc99069f0a1bc147021dca33b1e9c4d0d9", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "alibaba", "Aliyun TPM EKMF CA", 1631771304, 1924991999, /* 2021-09-16 to 2030-12-31 */
		"09bf17d50158ea4a4929870e0f287c3bc4edc60a4dc395c8e0ebfa1a4350b12e", "141805f04cd9b89bfbcd30cb792d5ca3a0a2382db6ee35720e6e27e4189e43a0" },
	{ AI_ROLE_EK, AI_PROFILE_EK, "amd", "AMDTPM ECC", 1451624400, 2240629200, /* 2016-01-01 to 2041-01-01 */
		"5cf1859ffbd2cd18c13345d47692bea4ea2464fbfb74298364fa979e833229f6", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "amd", "AMDTPM RSA", 1414074872, 2202993272, /* 2014-10-23 to 2039-10-23 */
		"899b9c9d6e926c40aaefbea3905173f00f7b52ad6eb4d2d32e6fcb1979710e2b", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "amd", "AMD Pluton Global Factory ICA", 1685318400, 2207606399, /* 2023-05-29 to 2039-12-15 */
		"30a9a82280ad0fabcc6fdcd61687db21e748a196ba8114d42d15454675dadc45", "593a1794f9e17476c7ad427d2908a97c451451c9e0939fdc80d5d662c232d401" },
	{ AI_ROLE_EK, AI_PROFILE_EK, "infineon", "Infineon OPTIGA(TM) ECC Root CA 2", 1574380800, 2679004799, /* 2019-11-22 to 2054-11-22 */
		"f21c8db44a3df3a43465230d30846f5fea08afa4428b982ff922065528c81f19", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "infineon", "Infineon OPTIGA(TM) ECC Root CA 3", 1616025600, 4102444799, /* 2021-03-18 to 2099-12-31 */
		"78cd04d396b5de0fb15ade38c8fd6d752dd692956a286f2dc9fc5d434256aacb", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "infineon", "Infineon OPTIGA(TM) ECC Root CA", 1374796800, 2321481599, /* 2013-07-26 to 2043-07-25 */
		"ce5183a19d6fe79a6c1b058cfa700379f67d587a8afd0f51621e82d9f00c5a28", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "infineon", "Infineon OPTIGA(TM) RSA Root CA 2", 1574380800, 2679004799, /* 2019-11-22 to 2054-11-22 */
		"d821e2a37a846f9f3a66a82c9346f18cc418c418fb6c55e933b25aee54afe8de", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "infineon", "Infineon OPTIGA(TM) RSA Root CA 3", 1616025600, 4102444799, /* 2021-03-18 to 2099-12-31 */
		"06e11829b97cd04844146be42b4e467b0756722a15df9398a98bb5faf2b20aa0", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "infineon", "Infineon OPTIGA(TM) RSA Root CA", 1374796800, 2321481599, /* 2013-07-26 to 2043-07-25 */
		"8a705088efa28a3845b35c7fcbf9c0f4bf46c77da18a6f1a173eb9074610cbd0", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "infineon", "IFX TPM EK Intermediate CA 01", 1129816063, 1760968063, /* 2005-10-20 to 2025-10-20 */
		"045c09a7a0c7d39fdbb0343dd94acfba16f883da6ad0a0c98d153067046bbfe7", "10ef22859b0a98121129aa0c4647a91fd412a5a79f1c628db3bfea4278d49abf" },
	{ AI_ROLE_EK, AI_PROFILE_EK, "infineon", "IFX TPM EK Intermediate CA 02", 1166697240, 1797849240, /* 2006-12-21 to 2026-12-21 */
		"36be92e7eef5e6d271d4ef3260a669f788bea4ab4df4d6672769f6b7130598f7", "b33027e90f3f47bb5c0c54b18451121af0211a568eca51b68927280707b42f0e" },
	{ AI_ROLE_EK, AI_PROFILE_EK, "infineon", "IFX TPM EK Intermediate CA 03", 1176482664, 1807634664, /* 2007-04-13 to 2027-04-13 */
		"159e8b893298b02aaf69a61ae4d67a51a38583120bf479cb1af1439a74a5166d", "2b2ab3993b854e496569fd1f187a383617eec1574bef0fa8c34bc013da40935f" },
	{ AI_ROLE_EK, AI_PROFILE_EK, "infineon", "IFX TPM EK Intermediate CA 04", 1196687275, 1827839275, /* 2007-12-03 to 2027-12-03 */
		"88052594793e1800dfcc86b5737332b928517c8b9242aeb7d025e289961553a8", "c2b50c0544fbfae3f8257410818bd2228759c04150989982c1b42c397abf00a8" },
	{ AI_ROLE_EK, AI_PROFILE_EK, "infineon", "IFX TPM EK Intermediate CA 05", 1260527922, 1891679922, /* 2009-12-11 to 2029-12-11 */
		"2644bee5d86fe279dd1559a1e022c9b3d3a1443db2c3560b8df4809691c03cc8", "ed80849cf19acd6df5895ab47c6ec91555a3081b4696b900f8e346e777177aed" },
	{ AI_ROLE_EK, AI_PROFILE_EK, "infineon", "IFX TPM EK Intermediate CA 08", 1342517092, 1918598399, /* 2012-07-17 to 2030-10-18 */
		"02963f74b97ee455851eb243cba22875cab64d230113c7b3bfc7c2ae7fefaa85", "608dd48ff87759f404917c7471ec8cbe7ad972c1699d810f0e1a70fb2b02573f" },
	{ AI_ROLE_EK, AI_PROFILE_EK, "infineon", "IFX TPM EK Intermediate CA 15", 1352904214, 1918598399, /* 2012-11-14 to 2030-10-18 */
		"1d5cf6cf3aa0bcdd8ea823963abfc050e4667b0bda4fab8396b83f9ce7e2e738", "8a3e7db4445c4a795fb9e524db3ed2edf96f8423723f16ff5f71ca6b84a3e88c" },
	{ AI_ROLE_EK, AI_PROFILE_EK, "infineon", "IFX TPM EK Intermediate CA 17", 1358518739, 1918598399, /* 2013-01-18 to 2030-10-18 */
		"b4d58a890ba6ef18d118159447e4a7f7595f2ac716bbb60845bd8df81bfd5846", "cb1a77acd98db771d35b1977eb82485f0e0f64f6deb0577a97330b5b532eb7ed" },
	{ AI_ROLE_EK, AI_PROFILE_EK, "infineon", "IFX TPM EK Intermediate CA 18", 1358519560, 1918598399, /* 2013-01-18 to 2030-10-18 */
		"c20d3dac7b115ec3245750444c37fef7fa33d9922d9d87e53ebbd1cb01456d29", "9cd83ef4897819d545d3cccccf33ba7947e34439a93c5d45a3f136303e1c248e" },
	{ AI_ROLE_EK, AI_PROFILE_EK, "infineon", "IFX TPM EK Intermediate CA 20", 1377611939, 1918598399, /* 2013-08-27 to 2030-10-18 */
		"e60f0721e6ee223662320885facf2c68d37178ddde768a61dfa3cfeb460577a9", "73a42ded6eab007af264a51c5a3956092cdbf5a6d209303a4e0d57416d762067" },
	{ AI_ROLE_EK, AI_PROFILE_EK, "infineon", "IFX TPM EK Intermediate CA 21", 1377612141, 1918598399, /* 2013-08-27 to 2030-10-18 */
		"160f54a79aec62d47b8cd94a3870bc39cfb7af9ef377acd521be765a2b3c3b8a", "014df370f125f4bc18c9fc4b41c17ec2311e8514fc9b622f5a633c10287c1ebd" },
	{ AI_ROLE_EK, AI_PROFILE_EK, "intel", "Intel OnDie CA Root Cert Signing", 1554249600, 2524607999, /* 2019-04-03 to 2049-12-31 */
		"84b25305bf5f90c399d7f520ad81f451e09b0025d0292143e1388970f9651484", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "intel", "Intel TPM EK root cert signing", 1389744000, 2524607999, /* 2014-01-15 to 2049-12-31 */
		"baf3caf0db083d8155424bb24d6fbbd8ba7487fc5b3ca45d3eb6b2b2e4656ade", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "microsoft", "Microsoft Pluton Root CA 2021", 1634239250, 2423158188, /* 2021-10-14 to 2046-10-14 */
		"664778b23fd09c0c61407fb4c2253f9a8978e64be8c4f9a89a92b4acc37d8a70", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "microsoft", "Microsoft TPM Root Certificate Authority 2014", 1418247079, 2207165968, /* 2014-12-10 to 2039-12-10 */
		"5eadfa0187a24edb747b98523f89cf92d33eeb20ec81b9d0a31e170b73c2dbb2", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nationz", "Nationz TPM Root CA", 1494547200, 2441318400, /* 2017-05-12 to 2047-05-13 */
		"07e4e5a1d8eab8f9cf05c54beee7897b3bf95f86f386407e3ba205aa620012de", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nsing", "NSING TPM ECC ROOT CA 001", 1711497600, 2815948800, /* 2024-03-27 to 2059-03-27 */
		"00846603beb1cd5a41f71a4cf98b0bd77f974c879c94f60809541de7287dea84", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nsing", "NSING TPM RSA ROOT CA 001", 1711497600, 2815948800, /* 2024-03-27 to 2059-03-27 */
		"b5eadb92b6aaf54816c45c6bf57a92ac945bf8285a1c7451008c6207269fad1d", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "NTC TPM EK Root CA 01", 1342024170, 1973176170, /* 2012-07-11 to 2032-07-11 */
		"e5011fae73883ff1e33954c975402a28dfdf87117e6e06cce3265519135420bd", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "NTC TPM EK Root CA 02", 1342024404, 1973176404, /* 2012-07-11 to 2032-07-11 */
		"30c2e5fb9fe11bb2d2d8f59d8bdbe2ef7a5e86e2a24d5f44556404b528957921", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "NTC TPM EK Root CA ARSUF 01", 1396377278, 2027183678, /* 2014-04-01 to 2034-03-28 */
		"a202990ccdbc2076007ecffc30d4fd30f691d22b4cdc8254690ae0acf8acaef4", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "Nuvoton TPM Root CA 0100", 1429515723, 2060322123, /* 2015-04-20 to 2035-04-16 */
		"2b40169e346867de502a647990f4d771980765f9cbef5c823380f3aa9626da53", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "Nuvoton TPM Root CA 1013", 1431333805, 2062140205, /* 2015-05-11 to 2035-05-07 */
		"5690aff798bb2bcadafda36bb94cb4e66c2f88ca9e019ad8d8cdc365d5b622d4", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "Nuvoton TPM Root CA 1014", 1503313416, 2134119816, /* 2017-08-21 to 2037-08-17 */
		"0d71a55353182c58daf9b4fdbaee0ea668ab483d1b6d09cc213ec1f25db1c5b2", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "Nuvoton TPM Root CA 1110", 1431333813, 2062140213, /* 2015-05-11 to 2035-05-07 */
		"b7f4414b44f1787f046aec866693cda643239b3d0f6998d0ad4adb841e4bd0db", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "Nuvoton TPM Root CA 1111", 1503286373, 2134092773, /* 2017-08-21 to 2037-08-17 */
		"c871b0ba1182676eeed4c2469d3d5fa3cfa09daca77ea823a4b454cf00dee11e", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "Nuvoton TPM Root CA 2010", 1429772359, 2060578759, /* 2015-04-23 to 2035-04-19 */
		"019f3ca91075a62732e395860cc52d2929549e86fcb95487d74809a829b160f1", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "Nuvoton TPM Root CA 2011", 1505113812, 2135920212, /* 2017-09-11 to 2037-09-07 */
		"9ce92f8d2aa0f87adc1621203351a24eb98f84b7e27cd27a29c794b9b1624ea1", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "Nuvoton TPM Root CA 2012", 1616486282, 2247292682, /* 2021-03-23 to 2041-03-19 */
		"064e1a4b66f054e5f49da0a05074004704384272f129daf3501b6c8ef85e9947", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "Nuvoton TPM Root CA 2110", 1445229120, 2076035520, /* 2015-10-19 to 2035-10-15 */
		"b54c81a52159aaf524c88dcf5a7e7a6f5f9ec2f4e69aee0bb3897f0c65e4faea", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "Nuvoton TPM Root CA 2111", 1505113789, 2135920189, /* 2017-09-11 to 2037-09-07 */
		"95b8ab2c350f58064c30a217f07e0a3353915edee572c5fb2ebcf8fa3f87a813", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "Nuvoton TPM Root CA 2112", 1616486286, 2247292686, /* 2021-03-23 to 2041-03-19 */
		"016b91ecb9f473ab57499ff308c3f948a40287d5d951e5f6651482ad7d381924", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "NPCTxxx ECC521 RootCA", 1682613418, 2629384618, /* 2023-04-27 to 2053-04-27 */
		"e73d53e508a4558df188cd77d18f3efa5fb18b8b48c1ee3b27679e08f431029c", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "NuvotonTPMRootCA1210", 1627872735, 2574039135, /* 2021-08-02 to 2051-07-27 */
		"f6564f73c8ad3bd48fe5571d06d7e2625b1736e716445460e78a5ac6b3b69768", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "NuvotonTPMRootCA2210", 1647237033, 2593403433, /* 2022-03-14 to 2052-03-07 */
		"d325df18987aeda5c6c072c178babc54c3e1e24e563c691fe881099dddcb31e8", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "nuvoton", "NuvotonTPMRootCA2211", 1647241585, 2593407985, /* 2022-03-14 to 2052-03-07 */
		"1f3ddd0a51b57d54833ae705f8e47f28817a1551d12aee3c6beeed5f1ea2a59d", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "stmicroelectronics", "GlobalSign Trusted Platform Module ECC Root CA", 1416960000, 2147483647, /* 2014-11-26 to 2038-01-19 */
		"43679317522d3638ea18936a57c65b33086ba51c77536fe6e1b65492193314cb", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "stmicroelectronics", "GlobalSign Trusted Platform Module Root CA", 1237370400, 2499674400, /* 2009-03-18 to 2049-03-18 */
		"0035d2297fe237a636800382cc2c9e205c6930f84b507ceec3608545d273960f", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "stmicroelectronics", "STSAFE ECC Root CA 02", 1642636800, 253402214400, /* 2022-01-20 to 9999-12-31 */
		"7fbef05051f792251d32f5b265821137d47cd3dc3d604ace70ecc12e8e579924", NULL },
	{ AI_ROLE_EK, AI_PROFILE_EK, "stmicroelectronics", "STSAFE RSA Root CA 02", 1642636800, 253402214400, /* 2022-01-20 to 9999-12-31 */
		"566cb2589d45c1478036e667da1793daacdadbba57efd6aa29b78d0e6695fd9f", NULL },
};

const size_t ai_n_root_facts = sizeof ai_root_facts / sizeof *ai_root_facts;
