#!/usr/bin/env python3
"""Tests of the comparison itself: run before believing what it says. usage: python3 selftest.py"""

import random
import unittest
from pathlib import Path

import more_damage
from compare import Difference, Explanations, attachment_pairs, differences, item_pairs, same_body, same_time
from items import body, sha256, subject
from ndb import CONTENTS, MESSAGE, Ndb, NotHealthy
from readers import HERE, Peer, Reading
from recovery import Healthy, Outcome, compare as compare_recovery
from truth import CORPUS_SAMPLES, INTACT, LOST, PC, Truth

SAMPLES = [path for path in CORPUS_SAMPLES if path.is_file()]


class Values(unittest.TestCase):
    def test_subject_prefix_is_taken_off(self):
        self.assertEqual(subject("\x01\x05RE: hello"), "RE: hello")
        self.assertEqual(subject("plain\0"), "plain")
        self.assertEqual(subject("\x01"), "")
        self.assertIsNone(subject(None))

    def test_bodies_differ_in_content_not_in_line_ends(self):
        ours = {"length": 4, "sha256": sha256(b"a\nb\n")}
        self.assertTrue(same_body(ours, body("a\r\nb\r\n\0")))
        self.assertFalse(same_body(ours, body("a\r\nc\r\n")))
        self.assertFalse(same_body(ours, None))
        self.assertTrue(same_body(None, body("")))

    def test_times_to_the_millisecond(self):
        self.assertTrue(same_time("2001-03-26T21:26:36.1234567Z", "2001-03-26T21:26:36.123Z"))
        self.assertFalse(same_time("2001-03-26T21:26:36Z", "2001-03-26T21:26:37Z"))
        self.assertFalse(same_time("2001-03-26T21:26:36Z", None))

    def test_attachments_match_in_any_order(self):
        a, b = ({"name": name, "sha256": sha256(name.encode())} for name in "ab")
        theirs = [{"names": [one["name"]], "sha256": one["sha256"]} for one in (b, a)]
        self.assertEqual(list(attachment_pairs([a, b], theirs)), [])
        theirs[0]["sha256"] = sha256(b"other")
        self.assertEqual([what for what, *_ in attachment_pairs([a, b], theirs)], ["attachment data"])

    def test_recipients_by_name_wherever_the_copies_stand(self):
        theirs = {"to": [{"name": "a"}], "cc": [{"name": "b"}]}
        for ours in {"to": [{"name": "a"}]}, {"to": [{"name": "b"}, {"name": "a", "email": "a@b"}]}, theirs:
            self.assertEqual(list(item_pairs(ours, theirs)), [])
        for ours in {"to": [{"name": "b"}]}, {"to": [{"name": "a"}, {"name": "c"}]}:
            self.assertEqual([what for what, *_ in item_pairs(ours, theirs)], ["recipients"])

    def test_a_key_that_a_peer_lacks_is_no_difference(self):
        self.assertEqual(list(item_pairs({"subject": "x", "flags": 1}, {"nid": 4})), [])
        self.assertEqual([what for what, *_ in item_pairs({"subject": "x"}, {"subject": "y"})], ["subject"])


class Readings(unittest.TestCase):
    def reading(self, name: str, *nids: int) -> Reading:
        return Reading(name, [{"kind": "message", "nid": nid, "attachments": []} for nid in nids], exit=0)

    def test_missing_and_extra_messages_are_found(self):
        peer = Peer(lambda file: self.reading("x"), lambda: True)
        found = differences("f", self.reading("pstkit", 4, 36), self.reading("peer", 36, 68), peer)
        self.assertEqual({(one.what, one.nid) for one in found}, {("missing", 4), ("extra", 68)})

    def test_explanations_match_every_key(self):
        table = Explanations(HERE / "explained.toml")
        one = Difference("a/b.ost", "outlook-pst", "run", None, 0, "exit 1")
        self.assertIsNotNone(table.reason(one, "pstkit"))
        self.assertIsNone(table.reason(Difference("a/b.pst", "outlook-pst", "run", None, 0, ""), "pstkit"))
        self.assertIsNone(table.reason(Difference("a/b.ost", "outlook-pst", "subject", 4, 0, ""), "pstkit"))


class Recovery(unittest.TestCase):
    def test_counts_by_digest_folder_and_state(self):
        def item(nid, digest, folder, name):
            return {"nid": nid, "kind": "message", "content_sha256": digest, "folder": folder, "subject": name}

        healthy = {nid: item(nid, f"d{nid}", "/A", f"s{nid}") for nid in (4, 36, 68, 100)}
        out = [item(4, "d4", "/A", "s4"), item(9, "d36", "/Lost", "s36"), item(68, "cut", "/A", "s68"), item(7, "new", "", "ghost")]
        outcome = Outcome("f", "d")
        states = {4: INTACT, 36: INTACT, 68: PC, 100: INTACT}
        compare_recovery(Healthy("f", Path("f"), None, healthy, {}), states, {4, 68, 100}, out, outcome)
        counts = outcome.recovered_full, outcome.recovered_partly, outcome.extra, outcome.right_folder, outcome.right_of_known
        self.assertEqual(counts, (2, 1, 1, 1, 1))
        self.assertEqual(outcome.failures, ["1 intact items did not come back: 0x64"])


@unittest.skipUnless(SAMPLES, "../shared is not here")
class Samples(unittest.TestCase):
    def test_the_checksum_of_a_real_header(self):
        for path in SAMPLES:
            ndb = Ndb.open(path)
            self.assertTrue(more_damage.sealed(bytearray(ndb.bytes), ndb) == ndb.bytes, path)

    def test_damage_is_deterministic_and_says_what_moved(self):
        for path in SAMPLES:
            ndb = Ndb.open(path)
            again = {one.kind: one.data for one in more_damage.damages(ndb, 3)}
            changed = sum(data != ndb.bytes for data in again.values())
            self.assertGreater(changed, len(again) * 9 // 10)
            for one in more_damage.damages(ndb, 3):
                self.assertTrue(one.data == again[one.kind], one.kind)
                for start, end, there in one.segments or []:
                    self.assertTrue(one.data[there : there + end - start] == ndb.bytes[start:end], one.kind)
                self.assertEqual(one.note == more_damage.NOTHING, one.data == ndb.bytes, one.kind)

    def test_states_follow_the_bytes(self):
        for path in SAMPLES:
            truth = Truth(path)
            data = truth.ndb.bytes
            self.assertEqual(set(truth.states(data).values()), {INTACT}, path)
            self.assertEqual(set(truth.states(b"").values()), {LOST}, path)
            moved = truth.states(b"x" * 64 + data, [(0, len(data), 64)])
            self.assertEqual(set(moved.values()), {INTACT}, path)
            nid = next(nid for nid in truth.needs if nid & 0x1F == MESSAGE)
            pc, full = truth.needs[nid]
            for bids, state in ((pc, LOST), (full - pc, PC)):
                if bids:
                    hurt = bytearray(data)
                    hurt[truth.ndb.blocks[min(bids)].ib] ^= 1
                    self.assertEqual(truth.states(bytes(hurt))[nid], state, path)

    def test_a_folder_is_known_while_a_table_or_the_nbt_names_the_child(self):
        for path in SAMPLES:
            truth = Truth(path)
            ndb, everything = truth.ndb, set(truth.needs)
            self.assertEqual(truth.placed(ndb.bytes), everything, path)
            self.assertEqual(truth.placed(b""), set(), path)
            without_nbt = more_damage.KINDS["nbt_garbage"](ndb, random.Random(1)).data
            self.assertEqual(truth.placed(without_nbt), everything, path)
            nid = next(nid for nid in truth.needs if nid & 0x1F == MESSAGE)
            hurt = bytearray(without_nbt)
            hurt[ndb.blocks[ndb.nodes[truth.parents[nid] & ~0x1F | CONTENTS].data].ib] ^= 1
            lost = {one for one, parent in truth.parents.items() if parent == truth.parents[nid] and one & 0x1F == MESSAGE}
            self.assertEqual(truth.placed(bytes(hurt)), everything - lost, path)

    def test_a_file_of_no_use_is_refused(self):
        for data in b"", bytes(564), SAMPLES[0].read_bytes()[:564]:
            with self.assertRaises(NotHealthy):
                Ndb(data)

    def test_padding_carries_nothing(self):
        truth = Truth(SAMPLES[0])
        hurt = bytearray(truth.ndb.bytes)
        for block in truth.ndb.blocks.values():
            start, end = block.ib + block.cb, block.ib + block.size - truth.ndb.layout.trailer
            hurt[start:end] = bytes(end - start)
        self.assertEqual(set(truth.states(bytes(hurt)).values()), {INTACT})


if __name__ == "__main__":
    unittest.main()
