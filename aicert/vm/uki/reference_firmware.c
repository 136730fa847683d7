/*
 * reference_firmware.c -- firmware builds whose values of PCR 0 are known; see reference.h.
 *
 * OVMF: computed from the code image's bytes by tests/vm/ovmf_values.py, which a test holds against this table and against a machine that boots.
 * Google: from boot logs that were published (google/go-tpm-tools, internal/test/eventlogs, and its attestations), whose operator states no more than
 * a version and how memory is kept from it.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "vm/uki/reference.h"

/*
 * By memory (1 GiB; 2, and 3 to 30; 31 to 62, … to 254: the firmware keeps no more of it than that), then processors (1 to 64, powers of two).
 * First Intel's, of which this firmware does not believe 40 address bits.
 */
static const char *const ovmf_intel[] = {
	"93ce445d2b0489038a2194fd85a1cb0b83d99ab9aa7a8f60564bf3785af4820e",
	"f2a5d8a70c8cdb53328de8aec2e78787b60c7b06e5ba5fc70e78d92fe970307e",
	"1db33976d624aa1b0971dd3f5bb28fb99d6b850cdeac437d74c3fe01c7790c73",
	"28c49e121e482d670f0a0c92d09b4670c987a48dc449c19524a129cfe1790ea4",
	"8f48046b2a05c7cb91b759d22759312c83f157bce34d1d66520e5f96629e3669",
	"d58348a08e5ed74e20469789b34267f41fd8d4a6bcefeaa7c6674055e30ddd8a",
	"872cc5d0b34425c7722d0662805a1751a3d5170d19722903ad1eae7fd2d6d8d5",
	"41f9eff921e7ac191944cc499cafd3081429bf15eed43163b21aed325aa94098",
	"995caf23db4b2189dd12554010c5d5f36395726aff1e88b1a7af898b73dbcad3",
	"1e0669e02f071ffa42f35b152767a58e1fcaef15f6368c124ff0616baccd218a",
	"a5275cff6eb08bda2035791ae8d530e4d77eed1e35ab3a08620ef80e549cec0b",
	"d4cd706e2f8a8299ac0399bccf4883e05050d185a751ad6fe86397eb15038178",
	"e8c9af74c4c6efaff2e75359300689f09ab1068e4d879e0af35fa46df1d64a07",
	"099d72488f7036049671f81b71eaaf9f67700362250d0495edacef724011b0e8",
	"64cb1b3c20f839f7a94aa79e5fecca3e6c203649873f5936115ed326db89bff0",
	"a311b2efd5fef4b6acd35175f0adfc2a56280c37237a7349c5a4f1dc146a5381",
	"747b6aabc44446947072062d7234b2deeec55e5e7ca0406f9d413273e50b9391",
	"c0cfb1b9e66a7fbe4073589ec019515b321300b093df8efaecb696325fd49dde",
	"e76bcd28debda8c2615061baa915429370dc1fceaf406c13dc1aab0cef7b5674",
	"7ef29071f369267f3347fdf94b438b0ff0ab83f795b0daac8958afd779006900",
	"5ae71902614996b1675324cb8a35a2b81f3ae98d9404f1907ca0c9e39a66ed1f",
	"f5207de978e53e56235bb4ca8a0f8006414a7d745418489282555a278dc9e132",
	"b32ce77226ffb36a5afa5f8fd8c4340698d4faf40ff6e9163dbfb8373e88831f",
	"747412e34da6c8097e7bc511003b024101d40eec5f86597849c3221c0c5fc48e",
	"cc9baa34548c48745683c197110603d391db71416a6a20aac48e281c0e7e320e",
	"add956885a61aa62e1afc811c61d76627a8ad72606dc4bd8dec4034900b07276",
	"7670a0cdf2a35f622cd4ffea259bc30cfb96ec4e7d4d78044640907fe2b9efa6",
	"9b9ac5b1b4bceca914f9080cf284acdaef56e41c65075d4c35d06d4dbccbaf8c",
	"d25e82465816469fac290baa0465ee11717931496242efb0c90212fb7bbd3d3a",
	"f736858bdc1a1ca829602325b7b4652e58a47fcdf0237566cc41f67477ca012d",
	"6d64186853dee019bc274981366ccc2facf7bed4a2d8816b69333aed55931403",
	"43d7e372a30952ad383d7d20d3a09e4bf1521328034a4f309a0a3505b284ad4f",
	"0fd3f603d04dc079ce6d8338b301070df6a31f8d14934a0fac3111dcaee33604",
	"c2fb1c6b5f436d96d92624fc67bc3520a1eb4691c4624f8b4042f6f57fbf5310",
	"a12b773a74372805dd75b6836fb33b29df7b69e652ec9d79c0599cb96df12c69",
	"ff76bc788d3d596c1567c1151214824475f4c32c3dc26069bf3208baa7fcedd6",
	"cfff6c7a4c2eba0f15f8fd9441380543609f128e5f2e63fbe5eb5655b4467c45",
	"d28052a48334709fe2ce245b87c4acf5880e5cd840c70ac1a1195e3aa58ae245",
	"dac7e03a9501b256a833a0ee30d8471fe82872b49c64366e82345c89dcd984b3",
	"2f33c0f70ecc548adf62c70266c2937372a686eb9905b6e8681c086fdfe91797",
	"63360e4dadae2d0045931924b36955ceffe18bcf42210cab95a95984cda256ac",
	"466c2669716946bc4732e11aa95d43806eda4a2aaeb1e6c3de37d7f0c79ea155",
	"85905e9b815ff2fdef697581e85a1a7aaae5145b31398aad64717827d2cfc2cc",
	"74dd994cdd8e0bff33a8e62962e6c26def7af764b60ac6f09d384cb162b21752",
	"bc2b993a3e5ed6cf6e025f33ba077ecc94d3a468ccecff31ef2cd817466c4410",
	"d350bd7966403a56072170c5efde333df2f5be4d8eefc9269bdbf04fe66e9c1f",
	"785816835207f8782bd4fc8ec89c8723716cd5652240ab1ec39dabbc81e57557",
	"5cea8dd2990a944889541a2a0e44ddc5e7002f68ccf4bdc7d08e9cd5ec7a3c7b",
	"f046305346165ce2f62ceb842b134415c241133ed4d10967ae967d70b8adfb38",
	"2e7ebf11e2c1718fe83e14d29a4363b11f53c1aae565921d0413b5612920a7df",
	"7f6e01aee7b0f1d603f0013ae597703769b58eea581373f5092765b4d808289a",
	"0b78c4f68794b25dad5c0adfdecfdda01ec5c7981eff1b6c9d36b36e766ab90d",
	"9f4c8139a75a24e5289c1e9334bd1e4fbe04d1d07091c441b7cf9e0349920bb7",
	"94b2e0641de10b6d3df50a8c4edf38228a09472cc2724a00c9b0868a63118aad",
	"969a9f14233aad065526f0403f4dfdda70377b3287bc49374abe96d390eec8a0",
	"f23b5cb04db20708df625df79a3a13c6f2a1da914bcae8c80b7e7b2df854bed4",
	"0769fffa8699e95c9cbe24afcc47bd1ad654db7e2ef4cbaecfab9134961d8c20",
	"85898d811d96beb12103fd6b37d59070410c01ef40a96ff755df2f9888e3c947",
	"491f780e4026c1c39268b35231076cb249fd1fa98ae8317b09cd5c9e3274d623",
	"fca85345b4923ed3241ccef9a71a58e597d3915519ca0d8567558896773015cb",
	"5a07afc85655e9a458710b09fc328fa324360d14f9ac6e99f06bb15f382df7a0",
	"67e3b54c617bd76817a30c10ea082e57af07cf115e31f27707c8824c73ad044b",
	"7c239369b59d6b17ef74a4c7fbed4723ae5fcf00093da78e1b289653150bc754",
};
static const char *const ovmf_amd[] = {
	"eaa650ae9b6b9c6d0ef4fab4dda3af9769f23c839ca3c98307a7a84831cbb472",
	"3e695b1035f9b7fa5ade7430fc93730efab93bcb6c0a843cdab260323f7734c4",
	"be3de4914449436e2ebfeb30aedd6a515482c7ae86fd2f08059b502ddd802a4f",
	"9a85d41748b819492252a8e46c3af75c7286ff846e45302fe0ed0e7fdca5cf08",
	"5a3f854ed7ce7c66128a1cc95d7565d0bea2f62dabae14a7a18138473ffc9b53",
	"c31f2b4ad813768c8581b8f04c18eeb1ed8fcbd4d13adade601cc33c2ac3d5be",
	"d49aa084aa234d96cacb6616ba1ef906921463050211ce958775b2be9edae3b5",
	"c501c20076e9fced2e4b00cef62aa471dad27b6fc9037a3aa99ec41d6feaa6bf",
	"1119fe2cc2550e9294b01a6355bfeb7ac1507139f07c0afec49f6644002acca9",
	"a4eadffc9c363f9c216b8c0afd05bd9226e706d37167b8304fd49738e488e8a7",
	"f5ae41febac1d918874efe613f47b5d6fb53fe0a1ea0a0e10f79decb674a9db4",
	"0e215cee19d526fad031d2be1e65c33013d2cf881f246f62688669e00c0a0ec3",
	"0f9097be1f4b0c8a6a05f4e32c11298a757f2ad560c9721753e5880abef0362c",
	"8a5c372d6d33d6e060087a52277d48fdd23c82a2e8fc4b8ef8ae7efef8991a71",
	"5cce6ef0ead10e32ad93732bbb21e7fe2be973b0e774b62595632daeabf4aa00",
	"594036ee24d560b0b46617fc4917a267a73bff7d4987979c37e1b8d21018bbdc",
	"7e80bfa5b03b226b78d76d79cb3771a59a55f20a933829bae528efca717eeb25",
	"38c25a51f2cb9a126e60ef38d02b041a9136e4c8f5aed04166ffd1771ab6502b",
	"d8ea3c006097f53919decb5db67975659362ddb78ae4d30be004264207412d04",
	"4658f32e103e5937fe2153f6e3f2dfa9347bb53133263853fcf0ffe2fbf7ed48",
	"fea93d9bd8b20df7958fba9dc563acf05bbc8a066919ce774fc06bfbcddfbc9d",
	"8ea09f8d4612dc5a05d4df417fd74ba35ed795da76e438837a219c6fc042942d",
	"540de4e5f474800ae8fe9908f47c119fd30212a9996b612d7d5dda354c66f458",
	"4af44c1d64791cc849abc79760fec4d5fcf03217267a1a578e878d6c540f5f38",
	"a14ad3a1514dc0d27c27a10b0b514b634e9095637b9f59878cdc008f01ab517c",
	"113baac67902f4eeed8f50ed428fe24e9f2aa5fdbba6d39da6445c2e3bd57035",
	"707e19e9d2bbccf2a0cecedace2d2425a87049949d1ce1de7cf6749d9224d0fd",
	"cd7f57fdc34d8fff243c2380b801c53cbe357a29bcb07a6ace8b8022992be9ed",
	"df2a92363ce1dd61b716559bd9d8b6b849f4c20c5fdff99d33e36ffca4c0a074",
	"e51b9d331d9785bb67020eece0606b97c45b3039d4d8c5058f5847bbeea183cb",
	"c5981110276a04b06cb125561efb89f464b18a00abd617353dfb8a669321c6a9",
	"386d5d96ab80675d572fb7315a2f0e287fdda9ecd26e0cdf97f2b5f1103c6b19",
	"11083c3037aadcff392037914e84b2bcf451e1f5c0d1ed0a45ff4d74dacab531",
	"0a33e76a010c72092808d796e70d626d1d48e8886f0d9ea3fda9d3130fcd7445",
	"561093a43ba5e37638d1d8942377fffec15bf0a595fb073009cfec60c92e6c04",
	"4c464b937d7de9540725ed46d75e5e3131f8693907a726be7d1ce23ce49b5f75",
	"af13412bae3049fa320cdf32d4869df16dd44c75c813c64408084fba1c1d400d",
	"9e60df05beabfac4912ec2e181df2216dbd113e5ad8dd71c86dc1e66a176ff6a",
	"4cc6228ba87add1ec5a7b00b74d31d45a659441dee103be9a2456d3ffba7696e",
	"c8aea9ad569884fa74e6a43d3d23f7e4b542426bf9cfb1c9336fc7506e1139ab",
	"86b2f18a4a63c98712df804ae68a4c5f89c990e6eca2c67a8ebd6c8768ac8a69",
	"91e77069fcc113f8988a89c15016f1b866c7a73c78f7d6f20055066f5e0510d5",
	"8c800f61e81e8618c9d53f42f7b78df14fb69de8864cce1d9dee2cc3aa43dac5",
	"752dbd5972553c5dfb8f0761be57510ca71e07365d82fa2ade287e5cb4946fea",
	"d476cc46de36974d2d57db42484ba7fbf9498f67f2a895ad0602e832b1c77cd6",
	"fdd04451fb6809cfa569bc58d89e0df93ed2a9c2ce44df922314606c92b6ece0",
	"3ec040cf67a6cc36251eee42a009e74a0c153b067f152cb24935aab9c3c471c1",
	"cf810da4a1305bd2ef8f2b7a2157c2f5a5ec6275df4eeec70bd1ad1dfd4cd48e",
	"a1202b4fe96987d98b2fe9c33110e061d0d5c12e8ae44c7926dca368ae1d49ef",
	"27d34f0ac57f27e8696f9d2262598ea798c86769b427a67daebe80cdca856f37",
	"4c00750bc3a56bac548810365f5ed18f596a4b16be576d7559d534c96f16b27a",
	"ebf3f0e35efa0c81d16126cfb6e26c993188b4837a073c8781efeb6f0bfb5be9",
	"eac81c651822170fe1582b4da9ff088cd6e06a33c3932ff0749b185d9ecea42b",
	"fb7a44b0520675798d5e55889fd06af8dfe3053bad2d5766fc91053afa9329a6",
	"01b5ed58087814e57a370ec14e288b94276777ee437f05984bbc581d6dc4a1bf",
	"26599acc712241723b16eda7eb3e07336b7d84d698a83340d2e34c2f0c67a033",
	"2300415b64b5b009b8b8079f325571b900621473c7b158720cf662932d5cefff",
	"d05a925040e0a6460fb85edc8fee1148d78af2605b4d7ca07eefabba25a4020f",
	"fa32bc8a76558b5e9b261eda8028e03c43f6aa8b117c84dc25db7d27964bb965",
	"07df3087de0715a0efd43c80b39437963e72132f6914c672120a316681484199",
	"8b733d7eb81f699620d4d421fc5485db629403690c581587566658ad7469ee3c",
	"3f6c8fccb2471b7f18c2b192981cf459e0e0ce90077ba9ac41e3d1c43ab29e70",
	"11b9de302a81864946fa167baee6f8ce442207a95827ecae43e4a35add10390c",
};
static const char *const gce1[] = { "24af52a4f429b71a3184a6d64cddad17e54ea030e2aa6576bf3a5a3d8bd3328f" };
static const char *const gce1_sev[] = { "0f35c214608d93c7a6e68ae7359b4a8be5a0e99eea9107ece427c4dea4e439cf" };
static const char *const gce2[] = { "d0c70a9310cd0b55767084333022ce53f42befbb69c059ee6c0a32766f160783" };
static const char *const gce2_snp[] = { "50597a27846e91d025eef597abbc89f72bff9af849094db97b0684d8bc4c515e" };

/* image: SHA-256 of the code image; NULL where nobody has that file. */
struct known { const char *machine, *name, *image; const char *const *pcr0; size_t n; };
static const struct known known[] = {
	{ "qemu", "Debian ovmf 2022.11-6+deb12u2, OVMF_CODE_4M.fd: 1 to 254 GiB, 1 to 64 of Intel's processors",
		"b157d97b1f69729514feb7f201d2cbe4957f23ab77920e361fe9f822ba49ca4c", ovmf_intel,
		sizeof ovmf_intel / sizeof *ovmf_intel },
	{ "qemu", "Debian ovmf 2022.11-6+deb12u2, OVMF_CODE_4M.fd: 1 to 254 GiB, 1 to 64 other processors",
		"b157d97b1f69729514feb7f201d2cbe4957f23ab77920e361fe9f822ba49ca4c", ovmf_amd,
		sizeof ovmf_amd / sizeof *ovmf_amd },
	{ "gcp", "GCE Virtual Firmware v1", NULL, gce1, 1 },
	{ "gcp", "GCE Virtual Firmware v1, AMD SEV", NULL, gce1_sev, 1 },
	{ "gcp", "GCE Virtual Firmware v2", NULL, gce2, 1 },
	{ "gcp", "GCE Virtual Firmware v2, AMD SEV-SNP", NULL, gce2_snp, 1 },
};

static json_t *
as_json(const struct known *k)
{
	AI_JSON *values = json_array();
	for (size_t i = 0; i < k->n; i++)
		if (json_array_append_new(values, json_string(k->pcr0[i])) < 0)
			return NULL;
	return json_pack("{s:s, s:{s:O}}", "name", k->name, "pcrs", "0", values);
}

int
ai_reference_firmware(const char *machine, const struct ai_digest *image, json_t **out, struct ai_err *err)
{
	AI_JSON *made = json_array();
	char hex[AI_HEX] = "";
	if (strcmp(machine, "qemu") != 0 && strcmp(machine, "azure") != 0 && strcmp(machine, "gcp") != 0)
		return ai_fail(err, AI_EUSAGE, "machine: got '%s', expected qemu, azure or gcp", machine);
	if (image)
		ai_hex(image, hex);
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(known[i].machine, machine) == 0 && (!image || (known[i].image && strcmp(known[i].image, hex) == 0))
			&& json_array_append_new(made, as_json(&known[i])) < 0)
			return ai_nomem(err);
	if (!made)
		return ai_nomem(err);
	*out = json_incref(made);
	return 0;
}

void
ai_reference_shape(uint64_t *memory, unsigned *cpus)
{
	enum { MOST_CPUS = 64 };
	const uint64_t gib = 1ull << 30;
	unsigned c = 1;
	while (c < *cpus && c < MOST_CPUS)
		c *= 2;
	if (*memory < 3 * gib)
		*memory = *memory <= gib ? gib : *memory <= 2 * gib ? 2 * gib : 3 * gib;
	if (*cpus < c)
		*cpus = c;
}
