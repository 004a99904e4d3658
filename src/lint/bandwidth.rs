//! Measured bit rates against what variants say (8216bis 4.4.6.2, 4.4.6.2.1).

use super::finding::Findings;
use super::multivariant::{Multivariant, Variant};
use super::rules::multivariant as rules;
use super::track::Track;

/// A live stream's BANDWIDTH is an estimate.
const LIVE_SLACK: f64 = 1.1;
const AVERAGE_SLACK: f64 = 1.1;

pub fn check(multivariant: Option<&Multivariant>, tracks: &[Track], findings: &mut Findings) {
    let Some(multivariant) = multivariant else { return };
    for variant in &multivariant.variants {
        let Some(own) = tracks.iter().find(|track| track.url == variant.url) else { continue };
        let Some(own_peak) = own.peak_bps() else { continue };
        let mut sum = Sum { peak: own_peak, average: own.average_bps().unwrap_or(0.0), whole: whole(own) };
        for kind in ["AUDIO", "SUBTITLES"] {
            sum.add_group(multivariant, variant, kind, own, tracks);
        }
        let mut notes = findings.of(&own.uri);
        if let Some(said) = variant.bandwidth_bps() {
            let found = format!("{:.0} b/s at peak, BANDWIDTH={said}", sum.peak);
            let allowed = "the peak or more";
            if own.lives() && sum.peak > said as f64 * LIVE_SLACK {
                notes.add(&rules::BANDWIDTH_EXCEEDED_LIVE, variant.tag.line, found, allowed);
            } else if !own.lives() && sum.peak > said as f64 {
                notes.add(&rules::BANDWIDTH_EXCEEDED, variant.tag.line, found, allowed);
            }
        }
        // Of some segments no average can be told.
        if let Some(said) = variant.tag.number::<u64>("AVERAGE-BANDWIDTH").filter(|_| sum.whole)
            && sum.average > said as f64 * AVERAGE_SLACK
        {
            let found = format!("{:.0} b/s on average, AVERAGE-BANDWIDTH={said}", sum.average);
            notes.add(&rules::AVERAGE_EXCEEDED, variant.tag.line, found, "the average or more");
        }
    }
}

struct Sum {
    peak: f64,
    average: f64,
    whole: bool,
}

impl Sum {
    /// The member of a group that needs the most counts: any combination may be played.
    fn add_group(&mut self, all: &Multivariant, variant: &Variant, kind: &str, own: &Track, tracks: &[Track]) {
        let Some(group) = variant.tag.text(kind) else { return };
        let members = all.renditions.iter().filter(|member| member.kind() == kind && member.group() == group);
        let members: Vec<&Track> = members
            .filter_map(|member| member.url.as_ref())
            .filter(|url| **url != own.url)
            .filter_map(|url| tracks.iter().find(|track| track.url == *url))
            .collect();
        let most = |of: fn(&Track) -> Option<f64>| members.iter().filter_map(|track| of(track)).fold(0.0, f64::max);
        self.peak += most(Track::peak_bps);
        self.average += most(Track::average_bps);
        self.whole &= members.iter().all(|track| whole(track));
    }
}

fn whole(track: &Track) -> bool {
    track.playlist.as_ref().is_some_and(|playlist| playlist.ended && playlist.segments.len() == track.measured())
}
