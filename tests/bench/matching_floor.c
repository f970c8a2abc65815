/* SPDX-License-Identifier: Apache-2.0
 *
 * What matching costs in plain C on OpenSSL: the program that bench_matching.py compares bzd's matcher with.
 *
 * For each key of 16 bytes: HKDF-SHA256 from two SHA-256 states that are made once, AES-128-ECB over the blocks of all
 * intervals in one EVP call, and each of the 144 IDs looked up in a bitmap and then, if its bit is set, in an open hash
 * table. (GAEN Cryptography Specification v1.2.1.)
 *
 * Usage: matching_floor IDS KEYS FIRST_INTERVAL COUNT
 * IDS and KEYS are files of 16 bytes each. Prints the CPU seconds of a search, the mean of ten, and the IDs found.
 *
 *     cc -O2 -o matching_floor matching_floor.c -lcrypto
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* the SHA256_* functions are what lets a state be copied for nothing */
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SIZE = 16, ROUNDS = 10, MAX_COUNT = 144, PLACES_PER_ID = 16 };

static const unsigned char INFO[8] = {'E', 'N', '-', 'R', 'P', 'I', 'K', 1};

struct table {
    unsigned char *bitmap; /* one bit per place */
    unsigned char (*slots)[SIZE];
    unsigned char *used;
    uint64_t mask;
};

static void die(const char *what) {
    fprintf(stderr, "matching_floor: %s\n", what);
    exit(1);
}

static unsigned char *read_file(const char *path, size_t *count) {
    FILE *file = fopen(path, "rb");
    if (!file) die("cannot open a file");
    fseek(file, 0, SEEK_END);
    *count = (size_t)ftell(file) / SIZE;
    rewind(file);
    unsigned char *data = malloc(*count * SIZE + 1);
    if (!data || fread(data, SIZE, *count, file) != *count) die("cannot read a file");
    fclose(file);
    return data;
}

static uint64_t head(const unsigned char *id) {
    uint64_t value;
    memcpy(&value, id, sizeof value);
    return value;
}

static struct table build(const unsigned char *ids, size_t count) {
    struct table table;
    uint64_t places = 1 << 16;
    while (places < count * PLACES_PER_ID) places *= 2;
    table.mask = places - 1;
    table.bitmap = calloc(places / 8, 1);
    table.slots = calloc(places, SIZE);
    table.used = calloc(places, 1);
    if (!table.bitmap || !table.slots || !table.used) die("no memory");
    for (size_t i = 0; i < count; i++) {
        uint64_t place = head(ids + i * SIZE) & table.mask;
        table.bitmap[place >> 3] |= (unsigned char)(1 << (place & 7));
        while (table.used[place]) place = (place + 1) & table.mask;
        memcpy(table.slots[place], ids + i * SIZE, SIZE);
        table.used[place] = 1;
    }
    return table;
}

static int holds(const struct table *table, const unsigned char *id) {
    uint64_t place = head(id) & table->mask;
    if (!(table->bitmap[place >> 3] >> (place & 7) & 1)) return 0;
    for (; table->used[place]; place = (place + 1) & table->mask)
        if (!memcmp(table->slots[place], id, SIZE)) return 1;
    return 0;
}

static void hmac_states(const unsigned char *key, size_t size, SHA256_CTX *inner, SHA256_CTX *outer) {
    unsigned char pad[SHA256_CBLOCK];
    for (int i = 0; i < SHA256_CBLOCK; i++) pad[i] = (unsigned char)(((size_t)i < size ? key[i] : 0) ^ 0x36);
    SHA256_Init(inner);
    SHA256_Update(inner, pad, sizeof pad);
    for (int i = 0; i < SHA256_CBLOCK; i++) pad[i] ^= 0x36 ^ 0x5c;
    SHA256_Init(outer);
    SHA256_Update(outer, pad, sizeof pad);
}

static void hmac_finish(SHA256_CTX inner, SHA256_CTX outer, const void *data, size_t size, unsigned char *out) {
    unsigned char hash[SHA256_DIGEST_LENGTH];
    SHA256_Update(&inner, data, size);
    SHA256_Final(hash, &inner);
    SHA256_Update(&outer, hash, sizeof hash);
    SHA256_Final(out, &outer);
}

static size_t search(const struct table *table, const unsigned char *keys, size_t count, const unsigned char *blocks,
                     int intervals, EVP_CIPHER_CTX *aes) {
    SHA256_CTX salt_inner, salt_outer, inner, outer;
    unsigned char extracted[SHA256_DIGEST_LENGTH], rpik[SHA256_DIGEST_LENGTH], ids[MAX_COUNT * SIZE];
    size_t found = 0;
    int written;
    hmac_states(NULL, 0, &salt_inner, &salt_outer);
    for (size_t i = 0; i < count; i++) {
        hmac_finish(salt_inner, salt_outer, keys + i * SIZE, SIZE, extracted);
        hmac_states(extracted, sizeof extracted, &inner, &outer);
        hmac_finish(inner, outer, INFO, sizeof INFO, rpik);
        if (!EVP_EncryptInit_ex(aes, NULL, NULL, rpik, NULL)) die("AES");
        if (!EVP_EncryptUpdate(aes, ids, &written, blocks, intervals * SIZE)) die("AES");
        for (int j = 0; j < intervals; j++) found += (size_t)holds(table, ids + j * SIZE);
    }
    return found;
}

int main(int argc, char **argv) {
    size_t id_count, key_count, found = 0;
    unsigned char blocks[MAX_COUNT * SIZE] = {0};
    if (argc != 5) die("usage: matching_floor IDS KEYS FIRST_INTERVAL COUNT");
    unsigned char *ids = read_file(argv[1], &id_count), *keys = read_file(argv[2], &key_count);
    uint32_t first = (uint32_t)strtoul(argv[3], NULL, 10);
    int intervals = atoi(argv[4]);
    if (intervals < 1 || intervals > MAX_COUNT) die("COUNT is 1 to 144");
    for (int j = 0; j < intervals; j++) {
        uint32_t number = first + (uint32_t)j;
        memcpy(blocks + j * SIZE, "EN-RPI", 6);
        for (int octet = 0; octet < 4; octet++) blocks[j * SIZE + 12 + octet] = (unsigned char)(number >> (8 * octet));
    }
    struct table table = build(ids, id_count);
    EVP_CIPHER_CTX *aes = EVP_CIPHER_CTX_new();
    if (!aes || !EVP_EncryptInit_ex(aes, EVP_aes_128_ecb(), NULL, NULL, NULL)) die("AES");
    EVP_CIPHER_CTX_set_padding(aes, 0);
    clock_t before = clock();
    for (int round = 0; round < ROUNDS; round++) found = search(&table, keys, key_count, blocks, intervals, aes);
    printf("%.6f %zu\n", (double)(clock() - before) / CLOCKS_PER_SEC / ROUNDS, found);
    return 0;
}
