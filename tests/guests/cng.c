/* Ciphers and keys of CNG: bcrypt.dll's functions, with vectors of NIST SP 800-38A and of the
 * GCM specification.
 */
#include "win32.h"

#define BCRYPT __declspec(dllimport) NTSTATUS WINAPI

enum {
    BCRYPT_BLOCK_PADDING = 1,
    BCRYPT_PAD_PKCS1 = 2,
    BCRYPT_PAD_PSS = 8,
    STATUS_AUTH_TAG_MISMATCH = 0xc000a002,
    STATUS_INVALID_SIGNATURE = 0xc000a000,
};

typedef struct {
    ULONG cbSize, dwInfoVersion;
    UCHAR *pbNonce;
    ULONG cbNonce;
    UCHAR *pbAuthData;
    ULONG cbAuthData;
    UCHAR *pbTag;
    ULONG cbTag;
    UCHAR *pbMacContext;
    ULONG cbMacContext, cbAAD;
    unsigned long long cbData;
    ULONG dwFlags;
} BCRYPT_AUTHENTICATED_CIPHER_MODE_INFO;

typedef struct { const WCHAR *pszAlgId; ULONG cbSalt; } PADDING_INFO;

BCRYPT BCryptOpenAlgorithmProvider(PVOID *, const WCHAR *, const WCHAR *, ULONG);
BCRYPT BCryptCloseAlgorithmProvider(PVOID, ULONG);
BCRYPT BCryptSetProperty(PVOID, const WCHAR *, PVOID, ULONG, ULONG);
BCRYPT BCryptGenerateSymmetricKey(PVOID, PVOID *, UCHAR *, ULONG, UCHAR *, ULONG, ULONG);
BCRYPT BCryptGenerateKeyPair(PVOID, PVOID *, ULONG, ULONG);
BCRYPT BCryptFinalizeKeyPair(PVOID, ULONG);
BCRYPT BCryptDuplicateKey(PVOID, PVOID *, UCHAR *, ULONG, ULONG);
BCRYPT BCryptDestroyKey(PVOID);
BCRYPT BCryptImportKeyPair(PVOID, PVOID, const WCHAR *, PVOID *, UCHAR *, ULONG, ULONG);
BCRYPT BCryptExportKey(PVOID, PVOID, const WCHAR *, UCHAR *, ULONG, ULONG *, ULONG);
BCRYPT BCryptEncrypt(PVOID, UCHAR *, ULONG, PVOID, UCHAR *, ULONG, UCHAR *, ULONG, ULONG *, ULONG);
BCRYPT BCryptDecrypt(PVOID, UCHAR *, ULONG, PVOID, UCHAR *, ULONG, UCHAR *, ULONG, ULONG *, ULONG);
BCRYPT BCryptSignHash(PVOID, PVOID, UCHAR *, ULONG, UCHAR *, ULONG, ULONG *, ULONG);
BCRYPT BCryptVerifySignature(PVOID, PVOID, UCHAR *, ULONG, UCHAR *, ULONG, ULONG);

static UCHAR KEY[16] = {0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6,
    0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c};
static UCHAR PLAIN[32] = {0x6b, 0xc1, 0xbe, 0xe2, 0x2e, 0x40, 0x9f, 0x96, 0xe9, 0x3d, 0x7e, 0x11,
    0x73, 0x93, 0x17, 0x2a, 0xae, 0x2d, 0x8a, 0x57, 0x1e, 0x03, 0xac, 0x9c, 0x9e, 0xb7, 0x6f, 0xac,
    0x45, 0xaf, 0x8e, 0x51};
static const UCHAR CBC[32] = {0x76, 0x49, 0xab, 0xac, 0x81, 0x19, 0xb2, 0x46, 0xce, 0xe9, 0x8e,
    0x9b, 0x12, 0xe9, 0x19, 0x7d, 0x50, 0x86, 0xcb, 0x9b, 0x50, 0x72, 0x19, 0xee, 0x95, 0xdb, 0x11,
    0x3a, 0x91, 0x76, 0x78, 0xb2};
/* Test case 2 of GCM: zeros everywhere. */
static const UCHAR GCM[16] = {0x03, 0x88, 0xda, 0xce, 0x60, 0xb6, 0xa3, 0x92,
    0xf3, 0x28, 0xc2, 0xb9, 0x71, 0xb2, 0xfe, 0x78};
static const UCHAR TAG[16] = {0xab, 0x6e, 0x47, 0xd4, 0x2c, 0xec, 0x13, 0xbd,
    0xf5, 0x3a, 0x67, 0xb2, 0x12, 0x57, 0xbd, 0xdf};

static BOOL same(const void *a, const void *b, ULONG size)
{
    for (ULONG i = 0; i < size; i++)
        if (((const UCHAR *)a)[i] != ((const UCHAR *)b)[i])
            return 0;
    return 1;
}

static PVOID provider(const WCHAR *name)
{
    PVOID found = NULL;
    CHECK_EQUAL(BCryptOpenAlgorithmProvider(&found, name, NULL, 0), 0);
    return found;
}

static PVOID aes(const WCHAR *mode, ULONG size, UCHAR *secret)
{
    PVOID algorithm = provider(u"AES"), key = NULL;
    CHECK_EQUAL(BCryptSetProperty(algorithm, u"ChainingMode", (PVOID)mode, size, 0), 0);
    CHECK_EQUAL(BCryptGenerateSymmetricKey(algorithm, &key, NULL, 0, secret, 16, 0), 0);
    BCryptCloseAlgorithmProvider(algorithm, 0);
    return key;
}

static void ciphers(void)
{
    static const WCHAR cbc[] = u"ChainingModeCBC", gcm[] = u"ChainingModeGCM";
    UCHAR vector[16], output[48], back[48], zeros[16] = {0}, nonce[12] = {0}, tag[16];
    PVOID key = aes(cbc, sizeof(cbc), KEY);
    ULONG size = 0;

    for (int i = 0; i < 16; i++)
        vector[i] = i;
    CHECK_EQUAL(BCryptEncrypt(key, PLAIN, 32, NULL, vector, 16, output, 32, &size, 0), 0);
    CHECK_EQUAL(size, 32);
    CHECK(same(output, CBC, 32));
    for (int i = 0; i < 16; i++)
        vector[i] = i;
    CHECK_EQUAL(BCryptDecrypt(key, output, 32, NULL, vector, 16, back, 32, &size, 0), 0);
    CHECK(same(back, PLAIN, 32));
    CHECK_EQUAL(
        BCryptEncrypt(key, PLAIN, 20, NULL, vector, 16, output, 48, &size, BCRYPT_BLOCK_PADDING), 0);
    CHECK_EQUAL(size, 32);
    CHECK_EQUAL(
        BCryptDecrypt(key, output, 32, NULL, vector, 16, back, 48, &size, BCRYPT_BLOCK_PADDING), 0);
    CHECK_EQUAL(size, 20);
    CHECK(same(back, PLAIN, 20));
    CHECK_EQUAL(BCryptDestroyKey(key), 0);

    BCRYPT_AUTHENTICATED_CIPHER_MODE_INFO info = {.cbSize = sizeof(info), .dwInfoVersion = 1,
        .pbNonce = nonce, .cbNonce = 12, .pbTag = tag, .cbTag = 16};
    key = aes(gcm, sizeof(gcm), zeros);
    CHECK_EQUAL(BCryptEncrypt(key, zeros, 16, &info, NULL, 0, output, 16, &size, 0), 0);
    CHECK(same(output, GCM, 16));
    CHECK(same(tag, TAG, 16));
    CHECK_EQUAL(BCryptDecrypt(key, output, 16, &info, NULL, 0, back, 16, &size, 0), 0);
    CHECK(same(back, zeros, 16));
    tag[3] ^= 1;
    CHECK_EQUAL(BCryptDecrypt(key, output, 16, &info, NULL, 0, back, 16, &size, 0),
        STATUS_AUTH_TAG_MISMATCH);
    CHECK_EQUAL(BCryptDestroyKey(key), 0);
}

static void pairs(const WCHAR *name, ULONG bits, const WCHAR *blob, PADDING_INFO *info, ULONG flags)
{
    static UCHAR exported[600], signature[256], again[256];
    UCHAR digest[32];
    PVOID algorithm = provider(name), key = NULL, copy = NULL, other = NULL;
    ULONG size = 0, length = 0;

    for (int i = 0; i < 32; i++)
        digest[i] = 7 * i;
    CHECK_EQUAL(BCryptGenerateKeyPair(algorithm, &key, bits, 0), 0);
    CHECK_EQUAL(BCryptFinalizeKeyPair(key, 0), 0);
    CHECK(BCryptFinalizeKeyPair(key, 0) != 0);
    CHECK_EQUAL(BCryptSignHash(key, info, digest, 32, NULL, 0, &length, flags), 0);
    CHECK_EQUAL(BCryptSignHash(key, info, digest, 32, signature, 256, &size, flags), 0);
    CHECK_EQUAL(size, length);
    CHECK_EQUAL(BCryptVerifySignature(key, info, digest, 32, signature, size, flags), 0);
    CHECK_EQUAL(BCryptSignHash(key, info, digest, 32, again, 256, &size, flags), 0);
    /* All of them have a random part but PKCS #1 1.5. */
    CHECK_EQUAL(same(signature, again, size), flags == BCRYPT_PAD_PKCS1);

    CHECK_EQUAL(BCryptExportKey(key, NULL, blob, exported, sizeof(exported), &size, 0), 0);
    CHECK_EQUAL(BCryptImportKeyPair(algorithm, NULL, blob, &other, exported, size, 0), 0);
    CHECK_EQUAL(BCryptDuplicateKey(other, &copy, NULL, 0, 0), 0);
    CHECK_EQUAL(BCryptDestroyKey(other), 0);
    CHECK_EQUAL(BCryptVerifySignature(copy, info, digest, 32, signature, length, flags), 0);
    CHECK(BCryptSignHash(copy, info, digest, 32, signature, 256, &size, flags) != 0);
    digest[5] ^= 1;
    CHECK_EQUAL(BCryptVerifySignature(copy, info, digest, 32, signature, length, flags),
        STATUS_INVALID_SIGNATURE);
    /* Where the key is, other bytes. */
    exported[0] ^= 1;
    CHECK(BCryptImportKeyPair(algorithm, NULL, blob, &other, exported, size, 0) != 0);
    BCryptDestroyKey(copy);
    BCryptDestroyKey(key);
}

static void encryption(void)
{
    static UCHAR secret[128], back[128];
    PVOID key = NULL;
    ULONG size = 0;

    CHECK_EQUAL(BCryptGenerateKeyPair(provider(u"RSA"), &key, 512, 0), 0);
    CHECK_EQUAL(BCryptFinalizeKeyPair(key, 0), 0);
    CHECK_EQUAL(BCryptEncrypt(key, PLAIN, 32, NULL, NULL, 0, secret, 128, &size, BCRYPT_PAD_PKCS1), 0);
    CHECK_EQUAL(size, 64);
    CHECK_EQUAL(BCryptDecrypt(key, secret, 64, NULL, NULL, 0, back, 128, &size, BCRYPT_PAD_PKCS1), 0);
    CHECK_EQUAL(size, 32);
    CHECK(same(back, PLAIN, 32));
    secret[9] ^= 1;
    CHECK(BCryptDecrypt(key, secret, 64, NULL, NULL, 0, back, 128, &size, BCRYPT_PAD_PKCS1) != 0);
}

static void hostile(void)
{
    static const WCHAR cbc[] = u"ChainingModeCBC";
    PVOID key = aes(cbc, sizeof(cbc), KEY), pair = NULL;
    UCHAR vector[16] = {0};
    ULONG size = 0;

    /* Output that is not there, a vector of no right size, keys that are too large. */
    CHECK_EQUAL(BCryptEncrypt(key, PLAIN, 16, NULL, vector, 16, (UCHAR *)0x10, 16, &size, 0),
        STATUS_ACCESS_VIOLATION);
    CHECK(BCryptEncrypt(key, PLAIN, 16, NULL, vector, 5, vector, 16, &size, 0) != 0);
    CHECK_EQUAL(BCryptGenerateKeyPair(provider(u"RSA"), &pair, 0x7fffffc0, 0), 0);
    CHECK(BCryptFinalizeKeyPair(pair, 0) != 0);
}

void start(void)
{
    PADDING_INFO pkcs1 = {u"SHA256", 0}, pss = {u"SHA256", 16};

    ciphers();
    pairs(u"RSA", 1024, u"RSAPUBLICBLOB", &pkcs1, BCRYPT_PAD_PKCS1);
    pairs(u"RSA", 512, u"RSAPUBLICBLOB", &pss, BCRYPT_PAD_PSS);
    pairs(u"ECDSA_P256", 256, u"ECCPUBLICBLOB", NULL, 0);
    pairs(u"ECDSA_P384", 384, u"ECCPUBLICBLOB", NULL, 0);
    encryption();
    hostile();
    finish();
}
