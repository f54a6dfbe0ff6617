#!/bin/bash
# The digits example: the data are the ones we mean, the split is the published one, the weights have their shapes.
set -eu
digits=${top_srcdir:-.}/examples/digits
failures=0

same() { # what expected got
    [ "$2" = "$3" ] && return
    printf '%s: expected "%s", got "%s"\n' "$1" "$2" "$3"
    failures=$((failures + 1))
}

facts=$(gzip -dc "$digits/digits.csv.gz" | awk -F, '
    NF != 65 { bad++ }
    {
        for (i = 1; i <= 64; i++) {
            if ($i !~ /^[0-9]+$/ || $i > 16) bad++
            sum += $i; zeros += $i == 0
            s[i] += $i / 16; q[i] += ($i / 16) ^ 2
        }
        classes[$65]++
    }
    END {
        printf "lines %d bad %d sum %d zeros %.3f constant", NR, bad, sum, 100 * zeros / (64 * NR)
        for (i = 1; i <= 64; i++) {
            v = q[i] / NR - (s[i] / NR) ^ 2
            variance += v
            if (v == 0) printf " %d", i - 1
        }
        printf " variance %.10f classes", variance
        for (c = 0; c < 10; c++) printf " %d", classes[c]
    }')
same data "lines 1797 bad 0 sum 561718 zeros 48.929 constant 0 32 39 variance 4.6932763178 \
classes 178 182 177 183 181 182 181 179 174 180" "$facts"

split=$("$digits/split")
same "test images" 360 "$(wc -l <<<"$split")"
same "first test images" "2 4 6 32 33 41 42 43 49 52" "$(head -n 10 <<<"$split" | xargs)"
same "test classes" "34 35 36 38 39 28 39 46 37 28" "$(
    gzip -dc "$digits/digits.csv.gz" | awk -F, '
        FILENAME != "-" { test[$1]; next }
        FNR - 1 in test { n[$65]++ }
        END { for (c = 0; c < 10; c++) printf c ? " %d" : "%d", n[c] }' <(echo "$split") -)"

header_size=$(od -An -tu8 -N8 "$digits/digits.safetensors" | tr -d ' ')
header=$(tail -c +9 "$digits/digits.safetensors" | head -c "$header_size")
for tensor in '"logits.0.weight":{"dtype":"F32","shape":[100,64]' '"logits.0.bias":{"dtype":"F32","shape":[100]' \
    '"logits.2.weight":{"dtype":"F32","shape":[10,100]' '"logits.2.bias":{"dtype":"F32","shape":[10]'; do
    case $header in
    *"$tensor"*) ;;
    *) same "header of digits.safetensors" "$tensor" "$header" ;;
    esac
done
same "size of digits.safetensors" $((8 + header_size + 4 * (6400 + 100 + 1000 + 10))) \
    "$(wc -c <"$digits/digits.safetensors")"

[ $failures -eq 0 ]
