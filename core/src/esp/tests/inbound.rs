//! What comes in.

use super::*;

#[test]
fn every_payload_length_arrives_whole_in_both_directions() {
    for suite in SUITES {
        let mut ends = ends(suite);
        for len in 0..70 {
            let payload = payload(len);
            let mut packet = ends.send(&payload);
            let opened = ends.us.open(at(1), &path(7, 4500), &mut packet).unwrap();
            assert_eq!(packet.bytes(), payload, "{suite:?}");
            assert_eq!((opened.sa, opened.peer, opened.next_header), (ends.ours, other(), UDP));
            assert_eq!(opened.first, len == 0);
            let mut packet = ends.answer(&payload);
            ends.client.open(at(1), &path(7, 4500), &mut packet).unwrap();
            assert_eq!(packet.bytes(), payload, "{suite:?}");
        }
    }
}
