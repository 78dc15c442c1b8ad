//! Names of tensors: prefixes of training code, and Hugging Face's names of SAM's tensors.

use std::collections::BTreeSet;

/// What the key of the image encoder begins with, whatever training code puts before it:
/// `torch.nn.DataParallel`, Lightning, wrapper classes.
const ENCODERS: [&str; 2] = ["image_encoder.", "vision_encoder."];

/// Where Hugging Face's name differs from the official one, in the order in which the replacements
/// are made (`transformers`, `convert_sam_to_hf.py`). The names of perceptrons are not among them.
const HUGGING_FACE: [(&str, &str); 24] = [
    ("vision_encoder.patch_embed.projection.", "image_encoder.patch_embed.proj."),
    ("vision_encoder.neck.conv1.", "image_encoder.neck.0."),
    ("vision_encoder.neck.layer_norm1.", "image_encoder.neck.1."),
    ("vision_encoder.neck.conv2.", "image_encoder.neck.2."),
    ("vision_encoder.neck.layer_norm2.", "image_encoder.neck.3."),
    ("vision_encoder.layers.", "image_encoder.blocks."),
    ("vision_encoder.", "image_encoder."),
    ("prompt_encoder.shared_embedding.", "prompt_encoder.pe_layer."),
    ("shared_image_embedding.", "prompt_encoder.pe_layer."),
    (".positional_embedding", ".positional_encoding_gaussian_matrix"),
    ("prompt_encoder.point_embed.", "prompt_encoder.point_embeddings."),
    ("prompt_encoder.mask_embed.conv1.", "prompt_encoder.mask_downscaling.0."),
    ("prompt_encoder.mask_embed.layer_norm1.", "prompt_encoder.mask_downscaling.1."),
    ("prompt_encoder.mask_embed.conv2.", "prompt_encoder.mask_downscaling.3."),
    ("prompt_encoder.mask_embed.layer_norm2.", "prompt_encoder.mask_downscaling.4."),
    ("prompt_encoder.mask_embed.conv3.", "prompt_encoder.mask_downscaling.6."),
    ("mask_decoder.upscale_conv1.", "mask_decoder.output_upscaling.0."),
    ("mask_decoder.upscale_layer_norm.", "mask_decoder.output_upscaling.1."),
    ("mask_decoder.upscale_conv2.", "mask_decoder.output_upscaling.3."),
    (".layer_norm_final_attn.", ".norm_final_attn."),
    (".layer_norm1.", ".norm1."),
    (".layer_norm2.", ".norm2."),
    (".layer_norm3.", ".norm3."),
    (".layer_norm4.", ".norm4."),
];

/// The official names of tensors, in the order given: without what stands before the image encoder's
/// and the other keys of the network, and translated where they are Hugging Face's.
pub(super) fn official<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut names: Vec<&str> = names.collect();
    let prefix = names.iter().find_map(|name| {
        let at = ENCODERS.iter().filter_map(|encoder| name.find(encoder)).min()?;
        Some(&name[..at]).filter(|prefix| prefix.is_empty() || prefix.ends_with('.'))
    });
    if let Some(prefix) = prefix {
        names.iter_mut().for_each(|name| *name = name.strip_prefix(prefix).unwrap_or(name));
    }
    if !names.iter().any(|name| name.starts_with("vision_encoder.")) {
        return names.into_iter().map(str::to_owned).collect();
    }
    let perceptrons = Perceptrons::find(&names);
    let translated = names.iter().map(|name| {
        let name = perceptrons.renamed(name);
        HUGGING_FACE.iter().fold(name, |name, (from, to)| name.replacen(from, to, 1))
    });
    translated.collect()
}

/// Perceptrons whose layers Hugging Face calls `proj_in`, `layers.0`, `layers.1`…, `proj_out`, and
/// the official code `layers.0`, `layers.1`, `layers.2`….
struct Perceptrons<'a> {
    /// What stands before `layers.` or `proj_`, with the number of each hidden layer.
    hidden: BTreeSet<(&'a str, usize)>,
}

impl<'a> Perceptrons<'a> {
    fn find(names: &[&'a str]) -> Self {
        let owners: BTreeSet<&str> =
            names.iter().filter_map(|name| Some(name.split_once("proj_in.")?.0)).collect();
        let hidden = names.iter().filter_map(|name| {
            let (owner, rest) = name.split_once("layers.")?;
            let number = rest.split('.').next()?.parse().ok()?;
            owners.contains(owner).then_some((owner, number))
        });
        Self { hidden: hidden.collect() }
    }

    fn renamed(&self, name: &str) -> String {
        if let Some((owner, rest)) = name.split_once("proj_in.") {
            return format!("{owner}layers.0.{rest}");
        }
        if let Some((owner, rest)) = name.split_once("proj_out.") {
            let hidden = self.hidden.iter().filter(|(o, _)| *o == owner).count();
            return format!("{owner}layers.{}.{rest}", hidden + 1);
        }
        let layer = name.split_once("layers.").and_then(|(owner, rest)| {
            let (number, rest) = rest.split_once('.')?;
            let number: usize = number.parse().ok()?;
            self.hidden.contains(&(owner, number)).then_some((owner, number, rest))
        });
        match layer {
            Some((owner, number, rest)) => format!("{owner}layers.{}.{rest}", number + 1),
            None => name.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::official;

    #[test]
    fn prefixes_and_other_names_become_the_official_ones() {
        let cases = [
            (
                vec!["loss.w", "module.net.image_encoder.w", "module.net.mask_decoder.b"],
                vec!["loss.w", "image_encoder.w", "mask_decoder.b"],
            ),
            (vec!["module.a", "b"], vec!["module.a", "b"]),
            (
                vec![
                    "vision_encoder.pos_embed",
                    "vision_encoder.layers.0.layer_norm2.bias",
                    "vision_encoder.layers.0.mlp.lin1.weight",
                    "shared_image_embedding.positional_embedding",
                    "mask_decoder.transformer.layers.1.layer_norm4.weight",
                    "mask_decoder.iou_prediction_head.proj_in.weight",
                    "mask_decoder.iou_prediction_head.layers.0.weight",
                    "mask_decoder.iou_prediction_head.proj_out.bias",
                    "mask_decoder.output_hypernetworks_mlps.3.proj_in.bias",
                    "mask_decoder.output_hypernetworks_mlps.3.proj_out.bias",
                ],
                vec![
                    "image_encoder.pos_embed",
                    "image_encoder.blocks.0.norm2.bias",
                    "image_encoder.blocks.0.mlp.lin1.weight",
                    "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
                    "mask_decoder.transformer.layers.1.norm4.weight",
                    "mask_decoder.iou_prediction_head.layers.0.weight",
                    "mask_decoder.iou_prediction_head.layers.1.weight",
                    "mask_decoder.iou_prediction_head.layers.2.bias",
                    "mask_decoder.output_hypernetworks_mlps.3.layers.0.bias",
                    "mask_decoder.output_hypernetworks_mlps.3.layers.1.bias",
                ],
            ),
        ];
        for (given, expected) in cases {
            assert_eq!(official(given.into_iter()), expected);
        }
    }
}
