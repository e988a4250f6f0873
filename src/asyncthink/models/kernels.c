/* The operations of a small Qwen3 model between its matrix products, one pass over the data each.

Small models are bound by the number of operations and by the bytes that each of them reads and writes, not by the
products. Here an operation is one function over rows: single precision, contiguous, one thread, sums always in the same
order.

Letters: N rows (tokens), W width of a row, H query heads, K key/value heads, D size of a head, V words, T capacity of a
slot of the cache. A row of qkv holds H query heads, K key heads, K value heads. */

#include <math.h>
#include <stdint.h>
#include <string.h>

#define ALWAYS static inline __attribute__((always_inline))

#define BLOCK 4
#define WIDE 16 /* keys side by side, in one register */
#define NARROW 8 /* parts of a head side by side; head sizes are multiples of it */
typedef float wide __attribute__((vector_size(4 * WIDE), aligned(4)));
typedef float narrow __attribute__((vector_size(4 * NARROW), aligned(4)));

#define OF_SIZE(call) \
    switch (size) { case 16: call(16); break; case 24: call(24); break; case 32: call(32); break; \
                    case 64: call(64); break; case 128: call(128); break; default: call(size); }

/* e^x to two units in the last place up to e^87, and 0 below e^-87: without a branch, so loops become vectors. */
ALWAYS float exponential(float given) {
    float x = given < -87.0f ? -87.0f : given > 87.0f ? 87.0f : given;
    float whole = nearbyintf(x * 1.44269504f);
    float rest = fmaf(whole, 2.12194440e-4f, fmaf(whole, -0.693359375f, x));
    float sum = 1.9875691500e-4f;
    sum = sum * rest + 1.3981999507e-3f;
    sum = sum * rest + 8.3334519073e-3f;
    sum = sum * rest + 4.1665795894e-2f;
    sum = sum * rest + 1.6666665459e-1f;
    sum = sum * rest + 5.0000001201e-1f;
    sum = sum * rest * rest + rest + 1.0f;
    int32_t bits;
    memcpy(&bits, &sum, 4);
    bits += (int32_t)whole * (1 << 23);
    memcpy(&sum, &bits, 4);
    return given < -87.0f ? 0.0f : sum;
}

ALWAYS int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

ALWAYS float sum_of_squares(const float *restrict x, int64_t width) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < width; i++) sum += x[i] * x[i];
    return sum;
}

ALWAYS float dot(const float *restrict a, const float *restrict b, int64_t width) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < width; i++) sum += a[i] * b[i];
    return sum;
}

ALWAYS float largest(const float *restrict x, int64_t count) {
    float most = x[0];
#pragma omp simd reduction(max : most)
    for (int64_t i = 1; i < count; i++) most = x[i] > most ? x[i] : most;
    return most;
}

/* x becomes e^(x - shift); their sum. */
ALWAYS float exponentials(float *restrict x, int64_t count, float shift) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < count; i++) {
        x[i] = exponential(x[i] - shift);
        sum += x[i];
    }
    return sum;
}

/* ---- RMSNorm: y = x * weight / sqrt(mean(x^2) + epsilon) ---- */

void rms_norm(int64_t rows, int64_t width, float epsilon, const float *restrict x, const float *restrict weight, float *restrict y) {
    for (int64_t n = 0; n < rows; n++, x += width, y += width) {
        float scale = 1.0f / sqrtf(sum_of_squares(x, width) / width + epsilon);
        for (int64_t i = 0; i < width; i++) y[i] = x[i] * scale * weight[i];
    }
}

/* One row: dx from dy, and what the row adds to dweight. */
ALWAYS void norm_backward(int64_t width, float epsilon, const float *restrict x, const float *restrict weight, const float *restrict dy, float *restrict dx,
                          float *restrict dweight) {
    float scale = 1.0f / sqrtf(sum_of_squares(x, width) / width + epsilon), along = 0;
#pragma omp simd reduction(+ : along)
    for (int64_t i = 0; i < width; i++) along += dy[i] * weight[i] * x[i];
    along *= scale * scale / width;
    for (int64_t i = 0; i < width; i++) {
        float pulled = dy[i];
        dweight[i] += pulled * x[i] * scale;
        dx[i] = scale * (pulled * weight[i] - along * x[i]);
    }
}

void rms_norm_backward(int64_t rows, int64_t width, float epsilon, const float *restrict x, const float *restrict weight, const float *restrict dy,
                       float *restrict dx, float *restrict dweight) {
    for (int64_t n = 0; n < rows; n++) norm_backward(width, epsilon, x + n * width, weight, dy + n * width, dx + n * width, dweight);
}

/* ---- SwiGLU: y = gate / (1 + e^-gate) * up, from rows of gate | up ---- */

void swiglu(int64_t rows, int64_t width, const float *restrict gate_up, float *restrict y) {
    for (int64_t n = 0; n < rows; n++, gate_up += 2 * width, y += width)
        for (int64_t i = 0; i < width; i++) y[i] = gate_up[i] / (1.0f + exponential(-gate_up[i])) * gate_up[width + i];
}

void swiglu_backward(int64_t rows, int64_t width, const float *restrict gate_up, const float *restrict dy, float *restrict dgate_up) {
    for (int64_t n = 0; n < rows; n++, gate_up += 2 * width, dgate_up += 2 * width, dy += width)
        for (int64_t i = 0; i < width; i++) {
            float gate = gate_up[i], open = 1.0f / (1.0f + exponential(-gate));
            dgate_up[i] = dy[i] * gate_up[width + i] * open * (1.0f + gate * (1.0f - open));
            dgate_up[width + i] = dy[i] * gate * open;
        }
}

/* ---- Heads: RMSNorm of each query and key head, then the rotary embedding of its position (cosines | sines) ---- */

ALWAYS void turn(int64_t size, float epsilon, const float *x, const float *weight, const float *angle, float *y) {
    int64_t half = size / 2;
    float scale = 1.0f / sqrtf(sum_of_squares(x, size) / size + epsilon);
    for (int64_t i = 0; i < half; i++) {
        float a = x[i] * scale * weight[i], b = x[half + i] * scale * weight[half + i];
        y[i] = a * angle[i] - b * angle[half + i];
        y[half + i] = b * angle[i] + a * angle[half + i];
    }
}

ALWAYS void turn_heads_sized(int64_t rows, int64_t query_heads, int64_t heads, int64_t size, float epsilon, const float *restrict weight,
                const float *restrict angles, const int64_t *positions, const float *restrict qkv, float *restrict y) {
    int64_t turned = query_heads + heads, width = (turned + heads) * size;
    for (int64_t n = 0; n < rows; n++, qkv += width, y += width) {
        for (int64_t h = 0; h < turned; h++)
            turn(size, epsilon, qkv + h * size, weight + h * size, angles + positions[n] * size, y + h * size);
        memcpy(y + turned * size, qkv + turned * size, heads * size * sizeof(float));
    }
}

void turn_heads(int64_t rows, int64_t query_heads, int64_t heads, int64_t size, float epsilon, const float *weight,
                const float *angles, const int64_t *positions, const float *qkv, float *y) {
#define CALL(D) turn_heads_sized(rows, query_heads, heads, D, epsilon, weight, angles, positions, qkv, y)
    OF_SIZE(CALL)
#undef CALL
}

/* dy, of the turned heads and the values, becomes dqkv where it lies. */
ALWAYS void turn_heads_backward_sized(int64_t rows, int64_t query_heads, int64_t heads, int64_t size, float epsilon,
                         const float *restrict weight, const float *restrict angles, const int64_t *positions, const float *restrict qkv,
                         float *restrict dy, float *restrict dweight) {
    int64_t turned = query_heads + heads, width = (turned + heads) * size, half = size / 2;
    float back[size];
    for (int64_t n = 0; n < rows; n++, qkv += width, dy += width)
        for (int64_t h = 0; h < turned; h++) {
            const float *restrict angle = angles + positions[n] * size;
            float *restrict own = dy + h * size;
            for (int64_t i = 0; i < half; i++) {
                back[i] = own[i] * angle[i] + own[half + i] * angle[half + i];
                back[half + i] = own[half + i] * angle[i] - own[i] * angle[half + i];
            }
            norm_backward(size, epsilon, qkv + h * size, weight + h * size, back, own, dweight + h * size);
        }
}

void turn_heads_backward(int64_t rows, int64_t query_heads, int64_t heads, int64_t size, float epsilon,
                         const float *weight, const float *angles, const int64_t *positions, const float *qkv,
                         float *dy, float *dweight) {
#define CALL(D) turn_heads_backward_sized(rows, query_heads, heads, D, epsilon, weight, angles, positions, qkv, dy, dweight)
    OF_SIZE(CALL)
#undef CALL
}

/* ---- Decoding: each token looks at its slot of the cache up to its own position ----

A slot's blocks of ROOM positions stand in its row of a table (slots, most). In a block keys stand transposed,
(K, D, ROOM), so that WIDE of them are compared at once; values are (K, ROOM, D). */

#define ROOM (2 * WIDE)

typedef struct {
    int64_t query_heads, heads, size, most;
    float epsilon;
    const float *weight, *angles;
    const int64_t *slots, *positions, *table;
} Attention;

/* Where the numbers of a head and a position's block begin. */
ALWAYS int64_t block_at(const Attention *own, int64_t size, int64_t row, int64_t head, int64_t position) {
    int64_t block = own->table[own->slots[row] * own->most + position / ROOM];
    return (block * own->heads + head) * size * ROOM;
}

/* A token's queries are turned where they lie; its keys and values go into its slot. */
ALWAYS void remember(const Attention *own, int64_t size, int64_t row, float *qkv, float *keys, float *values) {
    int64_t position = own->positions[row], place = position % ROOM;
    const float *angle = own->angles + position * size;
    float key[size];
    for (int64_t h = 0; h < own->query_heads; h++)
        turn(size, own->epsilon, qkv + h * size, own->weight + h * size, angle, qkv + h * size);
    for (int64_t k = 0; k < own->heads; k++) {
        int64_t h = own->query_heads + k, block = block_at(own, size, row, k, position);
        turn(size, own->epsilon, qkv + h * size, own->weight + h * size, angle, key);
        for (int64_t i = 0; i < size; i++) keys[block + i * ROOM + place] = key[i];
        memcpy(values + block + place * size, qkv + (h + own->heads) * size, size * sizeof(float));
    }
}

/* score = query . each key of a block. */
ALWAYS void compare(int64_t size, const float *query, const float *keys, float *restrict score) {
    wide sum[2][2] = {0};
    for (int64_t i = 0; i < size; i += 2)
        for (int odd = 0; odd < 2; odd++)
            for (int half = 0; half < 2; half++)
                sum[odd][half] += query[i + odd] * *(const wide *)(keys + (i + odd) * ROOM + half * WIDE);
    for (int half = 0; half < 2; half++) *(wide *)(score + half * WIDE) = sum[0][half] + sum[1][half];
}

/* sums += weight[t] * value t of a block, up to a whole BLOCK of positions; weights go on with zeros. */
ALWAYS void mix(int64_t count, int64_t size, const float *weight, const float *values, narrow (*sums)[size / NARROW]) {
    for (int64_t t = 0; t < count; t += BLOCK)
        for (int64_t i = 0; i < size / NARROW; i++)
            for (int b = 0; b < BLOCK; b++)
                sums[b][i] += weight[t + b] * *(const narrow *)(values + (t + b) * size + i * NARROW);
}

ALWAYS void look(const Attention *own, int64_t size, int64_t row, int64_t head, const float *query, const float *keys,
                 const float *values, float *mixed, float *score) {
    int64_t count = own->positions[row] + 1, k = head / (own->query_heads / own->heads);
    for (int64_t t = 0; t < count; t += ROOM) compare(size, query, keys + block_at(own, size, row, k, t), score + t);
    float scale = 1.0f / exponentials(score, count, largest(score, count));
    for (int64_t t = count; t % ROOM; t++) score[t] = 0;
    narrow sums[BLOCK][size / NARROW];
    memset(sums, 0, sizeof sums);
    for (int64_t t = 0; t < count; t += ROOM)
        mix(least(ROOM, count - t), size, score + t, values + block_at(own, size, row, k, t), sums);
    for (int64_t i = 0; i < size / NARROW; i++)
        *(narrow *)(mixed + i * NARROW) = ((sums[0][i] + sums[1][i]) + (sums[2][i] + sums[3][i])) * scale;
}

/* Everyone is remembered; the first `looking` tokens look. */
ALWAYS void attend_sized(const Attention *own, int64_t size, int64_t rows, int64_t looking, float *qkv, float *keys,
                         float *values, float *mixed, float *score) {
    int64_t width = (own->query_heads + 2 * own->heads) * size;
    for (int64_t n = 0; n < rows; n++) remember(own, size, n, qkv + n * width, keys, values);
    for (int64_t n = 0; n < looking; n++)
        for (int64_t h = 0; h < own->query_heads; h++)
            look(own, size, n, h, qkv + n * width + h * size, keys, values, mixed + (n * own->query_heads + h) * size,
                 score);
}

static void attend(const Attention *own, int64_t rows, int64_t looking, float *qkv, float *keys, float *values,
                   float *mixed, float *score) {
    int64_t size = own->size;
#define CALL(D) attend_sized(own, D, rows, looking, qkv, keys, values, mixed, score)
    OF_SIZE(CALL)
#undef CALL
}

/* ---- Decoding: the whole step ---- */

#define PANEL (2 * WIDE) /* columns of a weight that lie together */
#ifdef __AVX512F__
#define TILE 8 /* rows whose sums over a panel registers hold */
#else
#define TILE 2
#endif

/* y = x times a weight in panels of (inputs, PANEL), or y += it. */
ALWAYS void product(int64_t rows, int64_t inputs, int64_t columns, const float *x, const float *panel, int add,
                    float *y) {
    for (int64_t c = 0; c < columns; c += PANEL, panel += inputs * PANEL)
        for (int64_t n = 0; n < rows; n += TILE) {
            wide sum[TILE][2] = {0};
            const float *own[TILE];
            for (int t = 0; t < TILE; t++) own[t] = x + least(n + t, rows - 1) * inputs;
            for (int64_t i = 0; i < inputs; i++) {
                wide left = *(const wide *)(panel + i * PANEL), right = *(const wide *)(panel + i * PANEL + WIDE);
                for (int t = 0; t < TILE; t++) sum[t][0] += own[t][i] * left, sum[t][1] += own[t][i] * right;
            }
            for (int64_t t = 0; t < least(TILE, rows - n); t++) {
                float *target = y + (n + t) * columns + c, *told = (float *)sum[t];
                for (int64_t i = 0; i < least(PANEL, columns - c); i++) target[i] = told[i] + (add ? target[i] : 0);
            }
        }
}

/* Logits after the first `last` of the tokens, which attend to what their slots hold. Of each layer `addresses` has the
 * weights of the input norm, qkv, the heads' norms, output, the second norm, gate_up and down, and its keys and values. */
void decode(int64_t rows, int64_t last, int64_t layers, int64_t hidden, int64_t inner, int64_t words,
            int64_t query_heads, int64_t heads, int64_t size, int64_t most, float epsilon, const int64_t *tokens,
            const int64_t *slots, const int64_t *positions, const int64_t *table, const float *embedding,
            const float *angles, const int64_t *addresses, const float *norm, const float *head, float *logits,
            float *scratch) {
    int64_t mixed_width = query_heads * size, width = (query_heads + 2 * heads) * size;
    float *state = scratch, *normed = state + rows * hidden, *qkv = normed + rows * hidden, *mixed = qkv + rows * width;
    float *gate_up = mixed + rows * mixed_width, *gated = gate_up + rows * 2 * inner, *score = gated + rows * inner;
    for (int64_t n = 0; n < rows; n++) memcpy(state + n * hidden, embedding + tokens[n] * hidden, hidden * sizeof(float));
    for (int64_t l = 0; l < layers; l++, addresses += 9) {
        float *part[9];
        for (int i = 0; i < 9; i++) part[i] = (float *)addresses[i];
        rms_norm(rows, hidden, epsilon, state, part[0], normed);
        product(rows, hidden, width, normed, part[1], 0, qkv);
        Attention own = {query_heads, heads, size, most, epsilon, part[2], angles, slots, positions, table};
        int64_t going = l + 1 < layers ? rows : last; /* after the last layer's cache is written, only those are needed */
        attend(&own, rows, going, qkv, part[7], part[8], mixed, score);
        product(going, mixed_width, hidden, mixed, part[3], 1, state);
        rms_norm(going, hidden, epsilon, state, part[4], normed);
        product(going, hidden, 2 * inner, normed, part[5], 0, gate_up);
        swiglu(going, inner, gate_up, gated);
        product(going, inner, hidden, gated, part[6], 1, state);
    }
    rms_norm(last, hidden, epsilon, state, norm, normed);
    product(last, hidden, words, normed, head, 0, logits);
}

/* ---- Training: each token looks at its own trace up to itself, BLOCK queries at a time ---- */

/* score[b, t] = a[b] . row t, for rows that stand transposed as (D, room); whole registers. */
ALWAYS void products(int64_t count, int64_t size, int64_t room, const float *a, const float *restrict columns,
                     float *restrict score) {
    for (int64_t t = 0; t < count; t += WIDE) {
        wide sum[BLOCK] = {0};
        for (int64_t i = 0; i < size; i++) {
            wide column = *(const wide *)(columns + i * room + t);
            for (int b = 0; b < BLOCK; b++) sum[b] += a[b * size + i] * column;
        }
        for (int b = 0; b < BLOCK; b++) *(wide *)(score + b * room + t) = sum[b];
    }
}

/* sum[b] = sum over t of weight[b, t] * row t, for rows that lie `stride` apart. */
ALWAYS void gather(int64_t count, int64_t size, int64_t room, int64_t stride, const float *restrict weight,
                   const float *restrict rows, float *restrict sum) {
    narrow parts[BLOCK][size / NARROW];
    memset(parts, 0, sizeof parts);
    for (int64_t t = 0; t < count; t++)
        for (int64_t i = 0; i < size / NARROW; i++) {
            narrow part = *(const narrow *)(rows + t * stride + i * NARROW);
            for (int b = 0; b < BLOCK; b++) parts[b][i] += weight[b * room + t] * part;
        }
    memcpy(sum, parts, sizeof parts);
}

/* row t += sum over b of weight[b, t] * a[b]. */
ALWAYS void scatter(int64_t count, int64_t size, int64_t room, int64_t stride, const float *restrict weight,
                    const float *restrict a, float *restrict rows) {
    for (int64_t t = 0; t < count; t++)
        for (int64_t i = 0; i < size / NARROW; i++) {
            narrow part = *(narrow *)(rows + t * stride + i * NARROW);
            for (int b = 0; b < BLOCK; b++) part += weight[b * room + t] * *(const narrow *)(a + b * size + i * NARROW);
            *(narrow *)(rows + t * stride + i * NARROW) = part;
        }
}

ALWAYS void transpose(int64_t count, int64_t size, int64_t room, int64_t stride, const float *rows, float *columns) {
    memset(columns, 0, size * room * sizeof(float));
    for (int64_t t = 0; t < count; t++)
        for (int64_t i = 0; i < size; i++) columns[i * room + t] = rows[t * stride + i];
}

/* The rows of a block one after another, zeros where the trace has ended. */
ALWAYS void block_of(int64_t count, int64_t size, int64_t stride, const float *rows, float *block) {
    memset(block, 0, BLOCK * size * sizeof(float));
    for (int64_t b = 0; b < count; b++) memcpy(block + b * size, rows + b * stride, size * sizeof(float));
}

/* logsum (N, H): of each query the logarithm of the sum of its exponentials, for the way back. */
ALWAYS void attend_trace(int64_t length, int64_t query_heads, int64_t heads, int64_t size, const float *turned,
                         float *mixed, float *logsum, float *scratch) {
    int64_t width = (query_heads + 2 * heads) * size, room = (length + WIDE - 1) / WIDE * WIDE;
    float *columns = scratch, *score = columns + size * room, query[BLOCK * size], sum[BLOCK * size];
    for (int64_t h = 0; h < query_heads; h++) {
        const float *key = turned + (query_heads + h / (query_heads / heads)) * size;
        transpose(length, size, room, width, key, columns);
        for (int64_t n = 0; n < length; n += BLOCK) {
            int64_t own = least(BLOCK, length - n), end = n + own;
            block_of(own, size, width, turned + n * width + h * size, query);
            products(end, size, room, query, columns, score);
            for (int64_t b = 0; b < BLOCK; b++) {
                int64_t count = least(n + b + 1, end);
                float *row = score + b * room, most = largest(row, count), all = exponentials(row, count, most);
                for (int64_t t = 0; t < count; t++) row[t] /= all;
                for (int64_t t = count; t < end; t++) row[t] = 0;
                if (b < own) logsum[(n + b) * query_heads + h] = most + logf(all);
            }
            gather(end, size, room, width, score, key + heads * size, sum);
            for (int64_t b = 0; b < own; b++)
                memcpy(mixed + ((n + b) * query_heads + h) * size, sum + b * size, size * sizeof(float));
        }
    }
}

/* dturned starts as zeros. */
ALWAYS void attend_trace_backward(int64_t length, int64_t query_heads, int64_t heads, int64_t size,
                                  const float *turned, const float *mixed, const float *logsum, const float *dmixed,
                                  float *dturned, float *scratch) {
    int64_t width = (query_heads + 2 * heads) * size, room = (length + WIDE - 1) / WIDE * WIDE;
    float *keys = scratch, *values = keys + size * room, *share = values + size * room, *change = share + BLOCK * room;
    float query[BLOCK * size], pull[BLOCK * size], sum[BLOCK * size];
    for (int64_t h = 0; h < query_heads; h++) {
        int64_t key = (query_heads + h / (query_heads / heads)) * size, value = key + heads * size;
        transpose(length, size, room, width, turned + key, keys);
        transpose(length, size, room, width, turned + value, values);
        for (int64_t n = 0; n < length; n += BLOCK) {
            int64_t own = least(BLOCK, length - n), end = n + own, first = (n * query_heads + h) * size;
            block_of(own, size, width, turned + n * width + h * size, query);
            block_of(own, size, query_heads * size, dmixed + first, pull);
            products(end, size, room, query, keys, share);
            products(end, size, room, pull, values, change);
            for (int64_t b = 0; b < BLOCK; b++) {
                int64_t count = b < own ? n + b + 1 : 0;
                float *weight = share + b * room, *slope = change + b * room;
                if (b < own) {
                    float mean = dot(pull + b * size, mixed + first + b * query_heads * size, size);
                    exponentials(weight, count, logsum[(n + b) * query_heads + h]);
                    for (int64_t t = 0; t < count; t++) slope[t] = weight[t] * (slope[t] - mean);
                }
                for (int64_t t = count; t < end; t++) weight[t] = slope[t] = 0;
            }
            gather(end, size, room, width, change, turned + key, sum);
            for (int64_t b = 0; b < own; b++)
                memcpy(dturned + (n + b) * width + h * size, sum + b * size, size * sizeof(float));
            scatter(end, size, room, width, change, query, dturned + key);
            scatter(end, size, room, width, share, pull, dturned + value);
        }
    }
}

void attend_traces(int64_t traces, int64_t query_heads, int64_t heads, int64_t size, const int64_t *starts,
                   const float *turned, float *mixed, float *logsum, float *scratch) {
    int64_t width = (query_heads + 2 * heads) * size;
    for (int64_t s = 0; s < traces; s++) {
        int64_t first = starts[s], length = starts[s + 1] - first;
#define CALL(D) attend_trace(length, query_heads, heads, D, turned + first * width, mixed + first * query_heads * size, \
                             logsum + first * query_heads, scratch)
        OF_SIZE(CALL)
#undef CALL
    }
}

void attend_traces_backward(int64_t traces, int64_t query_heads, int64_t heads, int64_t size, const int64_t *starts,
                            const float *turned, const float *mixed, const float *logsum, const float *dmixed,
                            float *dturned, float *scratch) {
    int64_t width = (query_heads + 2 * heads) * size, mixed_width = query_heads * size;
    for (int64_t s = 0; s < traces; s++) {
        int64_t first = starts[s], length = starts[s + 1] - first;
#define CALL(D) attend_trace_backward(length, query_heads, heads, D, turned + first * width, mixed + first * mixed_width, \
                                      logsum + first * query_heads, dmixed + first * mixed_width, dturned + first * width, scratch)
        OF_SIZE(CALL)
#undef CALL
    }
}

/* ---- Words ---- */

/* Of each row's label at a temperature: log-probability; entropy of the row's distribution; is it the likeliest? */
void tell(int64_t rows, int64_t words, float warmth, const float *restrict logits, const int64_t *labels, float *restrict logprob,
          float *restrict entropy, uint8_t *likeliest) {
    for (int64_t n = 0; n < rows; n++, logits += words) {
        float most = largest(logits, words), sum = 0, weighted = 0;
#pragma omp simd reduction(+ : sum, weighted)
        for (int64_t v = 0; v < words; v++) {
            float gap = (logits[v] - most) * warmth, weight = exponential(gap);
            sum += weight;
            weighted += weight * gap;
        }
        logprob[n] = (logits[labels[n]] - most) * warmth - logf(sum);
        entropy[n] = logf(sum) - weighted / sum;
        likeliest[n] = logits[labels[n]] == most;
    }
}

void tell_backward(int64_t rows, int64_t words, float warmth, const float *restrict logits, const int64_t *labels,
                   const float *restrict logprob, const float *restrict dlogprob, float *restrict dlogits) {
    for (int64_t n = 0; n < rows; n++, logits += words, dlogits += words) {
        float all = logits[labels[n]] * warmth - logprob[n], pull = dlogprob[n] * warmth;
        for (int64_t v = 0; v < words; v++) dlogits[v] = -pull * exponential(logits[v] * warmth - all);
        dlogits[labels[n]] += pull;
    }
}

/* A word for each row by the inverse of its cumulative distribution at a uniform number; the likeliest at temperature 0. */
void draw(int64_t rows, int64_t words, const float *restrict logits, const float *restrict temperatures, const double *uniforms,
          int64_t *tokens, float *restrict logprob, float *restrict weights) {
    for (int64_t n = 0; n < rows; n++, logits += words) {
        float most = largest(logits, words), warmth = temperatures[n] > 0 ? 1.0f / temperatures[n] : 0.0f;
        int64_t word = 0;
        if (temperatures[n] == 0) {
            while (logits[word] != most && word < words - 1) word++;
            tokens[n] = word, logprob[n] = 0.0f;
            continue;
        }
        for (int64_t v = 0; v < words; v++) weights[v] = exponential((logits[v] - most) * warmth);
        double sum = 0, below = 0;
        for (int64_t v = 0; v < words; v++) sum += weights[v];
        double wanted = uniforms[n] * sum;
        if (wanted >= sum) wanted = nextafter(sum, 0.0); /* rounding must not pass the end */
        for (; word < words - 1; word++)
            if ((below += weights[word]) > wanted) break;
        tokens[n] = word;
        logprob[n] = (logits[word] - most) * warmth - (float)log(sum);
    }
}
