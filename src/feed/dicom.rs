//! Multi-frame DICOM ultrasound clips and stills.
