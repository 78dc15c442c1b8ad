//! The network's thread.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::automatic::{AutomaticOptions, segment_everything};
use crate::embedding_cache::{EmbeddingCache, EmbeddingKey, SizeBytes};
use crate::frame::Frame;
use crate::geometry::FrameBox;
use crate::model::{ImageEmbedding, MaskCandidate, Masks, ModelError, ModelId, Segmenter};
use crate::prompt::Prompt;
use crate::region::{Region, RegionChoice, RegionFinder};
use crate::session::{Decoded, Encoded, Event, Job};

/// What answers prompts: [`RegionSegmenter`], or a stand-in for it.
pub trait Predictor: Send {
    /// What it makes of a frame; cheap to clone.
    type Embedding: Clone + Send + SizeBytes;

    /// The model's name, for the status line and as the key to kept embeddings.
    fn name(&self) -> &str;

    /// Which model it is, for records; by its name alone where it is no package's.
    fn id(&self) -> ModelId {
        self.name().into()
    }

    /// Encodes a frame.
    ///
    /// # Errors
    /// [`ModelError`] where the network fails.
    fn encode(&mut self, frame: &Frame) -> Result<Self::Embedding, ModelError>;

    /// Looks from now on at this part of frames alone, or at what it finds by itself.
    fn look_at(&mut self, _region: Option<FrameBox>) {}

    /// The part of the frame that `embedding` was made of; none where that was all of it.
    fn looked_at(_embedding: &Self::Embedding) -> Option<FrameBox> {
        None
    }

    /// Answers a prompt on the frame that `embedding` was made of.
    ///
    /// # Errors
    /// [`ModelError`] where the prompt can't be answered or the network fails.
    fn decode(&mut self, embedding: &Self::Embedding, prompt: &Prompt)
    -> Result<Masks, ModelError>;

    /// Finds everything on a frame, best first. `progress` is told how many prompts of how many are
    /// decoded, and may stop it: what was found until then is given.
    ///
    /// # Errors
    /// [`ModelError`] where the network fails.
    fn everything(
        &mut self,
        frame: &Frame,
        progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<Vec<MaskCandidate>, ModelError>;
}

/// A model that is shown the picture without the scanner's margins.
pub struct RegionSegmenter {
    segmenter: Segmenter,
    finder: RegionFinder,
    /// Set by hand.
    set: Option<FrameBox>,
}

impl RegionSegmenter {
    /// `segmenter`, shown what `choice` says.
    pub fn new(segmenter: Segmenter, choice: RegionChoice) -> Self {
        Self { segmenter, finder: RegionFinder::new(choice), set: None }
    }

    fn region(&mut self, frame: &Frame) -> Result<Option<Region>, ModelError> {
        Ok(match self.set {
            Some(set) => Region::of(set, frame.size()),
            None => self.finder.of(frame)?,
        })
    }
}

/// Bytes that the masks of everything on a frame may take; the last ones are left out.
const MAX_FOUND_BYTES: usize = 128 << 20;

impl Predictor for RegionSegmenter {
    type Embedding = ImageEmbedding;

    fn name(&self) -> &str {
        &self.segmenter.manifest().name
    }

    fn id(&self) -> ModelId {
        self.segmenter.id().clone()
    }

    fn encode(&mut self, frame: &Frame) -> Result<ImageEmbedding, ModelError> {
        let region = self.region(frame)?;
        self.segmenter.set_image_in(frame, region)
    }

    fn look_at(&mut self, region: Option<FrameBox>) {
        self.set = region;
    }

    fn looked_at(embedding: &ImageEmbedding) -> Option<FrameBox> {
        embedding.region().map(|region| region.bounding_box())
    }

    fn decode(&mut self, embedding: &ImageEmbedding, prompt: &Prompt) -> Result<Masks, ModelError> {
        self.segmenter.predict(embedding, prompt)
    }

    fn everything(
        &mut self,
        frame: &Frame,
        progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<Vec<MaskCandidate>, ModelError> {
        let region = self.region(frame)?;
        let segmenter = &self.segmenter;
        let options = AutomaticOptions::for_model(segmenter.manifest());
        let picture = region.map_or_else(|| frame.clone(), |region| region.cut_from(frame));
        let found = segment_everything(segmenter, &picture, &options, progress)?.masks;
        let candidates = found.into_iter().map(|found| {
            let mask = found.segmentation.to_mask();
            MaskCandidate {
                low_res_logits: Arc::new(segmenter.logits_of(&mask)),
                mask: region.map_or_else(|| mask.clone(), |region| region.mask_on_frame(&mask)),
                predicted_iou: found.predicted_iou,
                stability_score: found.stability_score,
            }
        });
        let mut bytes = 0;
        Ok(candidates
            .take_while(|c| {
                bytes += c.mask.pixels().len() + c.low_res_logits.len() * size_of::<f32>();
                bytes <= MAX_FOUND_BYTES
            })
            .collect())
    }
}

/// What a [`Predictor`] on a thread of its own is given, and what it answers.
pub(super) struct Network {
    pub jobs: Sender<Job>,
    pub answers: Receiver<Event>,
}

/// Starts a thread that does jobs one after the other and answers each with an event; jobs that
/// newer ones made void are left out. It ends, after the job it is at, when either channel is
/// dropped.
pub(super) fn spawn<P: Predictor + 'static>(
    predictor: P,
    cache_bytes: usize,
    before: fn(),
) -> std::io::Result<Network> {
    let (jobs, todo) = unbounded();
    let (done, answers) = unbounded();
    let worker = Worker {
        model: predictor.name().into(),
        predictor,
        cache: EmbeddingCache::new(cache_bytes),
        current: None,
    };
    std::thread::Builder::new().name("network".into()).spawn(move || {
        before();
        worker.run(&todo, &done);
    })?;
    Ok(Network { jobs, answers })
}

struct Worker<P: Predictor> {
    predictor: P,
    model: Arc<str>,
    cache: EmbeddingCache<P::Embedding>,
    /// The embedding that prompts are decoded from, whether or not the cache could keep it.
    current: Option<(u64, P::Embedding)>,
}

impl<P: Predictor> Worker<P> {
    fn run(mut self, todo: &Receiver<Job>, done: &Sender<Event>) {
        let mut waiting = Vec::new();
        loop {
            if waiting.is_empty() {
                let Ok(job) = todo.recv() else { return };
                waiting.push(job);
            }
            waiting.extend(todo.try_iter());
            drop_void(&mut waiting);
            let answer = match waiting.remove(0) {
                Job::Encode { id, frame, region } => {
                    Event::Encoded { id, result: self.encode(id, &frame, region) }
                }
                Job::Decode { request, encoding, prompt, .. } => {
                    Event::Decoded { request, result: self.decode(encoding, &prompt) }
                }
                Job::Everything { id, frame } => {
                    let mut progress = |decoded, total| {
                        // Where nobody listens any more, it stops as well.
                        let told = done.send(Event::Searching { id, done: decoded, total });
                        match told.is_ok() && todo.is_empty() {
                            true => ControlFlow::Continue(()),
                            false => ControlFlow::Break(()),
                        }
                    };
                    let result = self.predictor.everything(&frame, &mut progress);
                    Event::Searched { id, result: result.map_err(|error| error.to_string()) }
                }
                Job::Stop => continue,
            };
            if done.send(answer).is_err() {
                return;
            }
        }
    }

    fn encode(
        &mut self,
        id: u64,
        frame: &Frame,
        region: Option<FrameBox>,
    ) -> Result<Encoded, String> {
        let started = Instant::now();
        // What is kept of a frame is of the part that was looked at.
        let model = region.map_or_else(
            || self.model.clone(),
            |region| format!("{} {region:?}", self.model).into(),
        );
        self.predictor.look_at(region);
        let key = EmbeddingKey { model, content: frame.content_hash() };
        let kept = self.cache.get(&key);
        let cached = kept.is_some();
        let embedding = match kept {
            Some(embedding) => embedding,
            None => {
                let new = self.predictor.encode(frame).map_err(|error| error.to_string())?;
                self.cache.insert(key, new.clone());
                new
            }
        };
        let region = P::looked_at(&embedding);
        self.current = Some((id, embedding));
        let how = if cached { "was encoded before, found" } else { "encoded" };
        log::info!("{frame:?} {how} in {:.2?}", started.elapsed());
        Ok(Encoded { took: started.elapsed(), cached, region })
    }

    fn decode(&mut self, encoding: u64, prompt: &Prompt) -> Result<Decoded, String> {
        let started = Instant::now();
        let current = self.current.as_ref().filter(|(id, _)| *id == encoding);
        let (_, embedding) = current.ok_or("this picture is no longer the one that was encoded")?;
        let masks = self.predictor.decode(embedding, prompt).map_err(|error| error.to_string())?;
        log::info!("{} masks decoded in {:.2?}", masks.candidates.len(), started.elapsed());
        Ok(Decoded { took: started.elapsed(), masks })
    }
}

/// Leaves of `jobs`, oldest first, those that no newer one made void: nothing from before the
/// newest frame, and the newest prompt of each object.
fn drop_void(jobs: &mut Vec<Job>) {
    if let Some(newest) = jobs.iter().rposition(|job| matches!(job, Job::Encode { .. })) {
        jobs.drain(..newest);
    }
    let object = |job: &Job| match job {
        Job::Decode { object, .. } => Some(*object),
        Job::Encode { .. } | Job::Everything { .. } | Job::Stop => None,
    };
    for i in (0..jobs.len()).rev() {
        let superseded =
            object(&jobs[i]).is_some_and(|o| jobs[i + 1..].iter().any(|j| object(j) == Some(o)));
        if superseded {
            jobs.remove(i);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::FrameSize;

    /// `e1` encodes frame 1; `d21` decodes request 2 for object 1.
    fn job(name: &str) -> Job {
        let digit = |i: usize| u64::from(name.as_bytes()[i] - b'0');
        match &name[..1] {
            "e" => Job::Encode {
                id: digit(1),
                region: None,
                frame: Frame::from_rgb(FrameSize::new(1, 1), vec![0; 3]).unwrap(),
            },
            _ => Job::Decode {
                request: digit(1),
                object: digit(2),
                encoding: 1,
                prompt: Prompt::default(),
            },
        }
    }

    fn name(job: &Job) -> String {
        match job {
            Job::Encode { id, .. } => format!("e{id}"),
            Job::Decode { request, object, .. } => format!("d{request}{object}"),
            Job::Everything { id, .. } => format!("a{id}"),
            Job::Stop => "s".into(),
        }
    }

    #[test]
    fn newer_jobs_make_older_ones_void() {
        let cases = [
            ("nothing to do", "", ""),
            ("one of each object", "d11 d22", "d11 d22"),
            ("the newest of each object", "d11 d22 d31 d42 d51", "d42 d51"),
            ("the newest frame", "e1 e2 e3", "e3"),
            ("prompts on an older frame", "e1 d11 e2 d21 d31", "e2 d31"),
        ];
        for (case, before, after) in cases {
            let mut jobs: Vec<Job> = before.split_whitespace().map(job).collect();
            drop_void(&mut jobs);
            let left: Vec<String> = jobs.iter().map(name).collect();
            assert_eq!(left.join(" "), after, "{case}");
        }
    }

    /// Looks at as many columns as the first level of a frame says.
    struct Narrow;

    #[derive(Clone)]
    struct Columns(f32);

    impl SizeBytes for Columns {
        fn size_bytes(&self) -> usize {
            1
        }
    }

    impl Predictor for Narrow {
        type Embedding = Columns;

        fn name(&self) -> &str {
            "narrow"
        }

        fn encode(&mut self, frame: &Frame) -> Result<Columns, ModelError> {
            Ok(Columns(frame.rgb()[0].into()))
        }

        fn looked_at(Columns(x1): &Columns) -> Option<FrameBox> {
            Some(FrameBox { x0: 0.0, y0: 0.0, x1: *x1, y1: 1.0 })
        }

        fn decode(&mut self, _: &Columns, _: &Prompt) -> Result<Masks, ModelError> {
            Ok(Masks { candidates: vec![] })
        }

        fn everything(
            &mut self,
            _: &Frame,
            _: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
        ) -> Result<Vec<MaskCandidate>, ModelError> {
            Ok(vec![])
        }
    }

    #[test]
    fn what_was_looked_at_is_told_of_kept_embeddings_too() {
        let network = spawn(Narrow, 1 << 20, || {}).unwrap();
        let told = [2, 3, 2].map(|columns| {
            let rgb = vec![columns; 12];
            let frame = Frame::from_rgb(FrameSize::new(4, 1), rgb).unwrap();
            network.jobs.send(Job::Encode { id: 1, frame, region: None }).unwrap();
            match network.answers.recv().unwrap() {
                Event::Encoded { result: Ok(Encoded { cached, region, .. }), .. } => {
                    (cached, region.unwrap().x1)
                }
                other => panic!("{other:?}"),
            }
        });
        assert_eq!(told, [(false, 2.0), (false, 3.0), (true, 2.0)]);
    }
}
