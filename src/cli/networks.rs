//! The networks that `dslc new` can write: every file of `models/`, carried in the binary.

/// A file by its name.
pub struct Network {
    pub name: &'static str,
    /// `net` for a whole experiment, `model` for an architecture.
    pub ending: &'static str,
    /// One line, without a full stop.
    pub summary: &'static str,
    pub text: &'static str,
}

macro_rules! network {
    ($name:literal, $ending:literal, $summary:literal) => {
        Network {
            name: $name,
            ending: $ending,
            summary: $summary,
            text: include_str!(concat!("../../models/", $name, ".", $ending)),
        }
    };
}

/// Every network, whole experiments first.
pub static NETWORKS: &[Network] = &[
    network!("mnist", "net", "two convolutions and two linear layers, the first network to train"),
    network!("lenet5", "net", "LeNet-5, 1998, with tanh and mean pooling"),
    network!("classifier", "net", "a few convolutions and poolings for digits, brought to 224x224"),
    network!("two_convs", "net", "two convolutions that keep the image's size"),
    network!("prescaler", "net", "one convolution with dropout"),
    network!("denoise", "net", "an autoencoder that removes noise from digits"),
    network!("textures", "net", "photographs of any size, in a folder for each class"),
    network!("segment", "net", "a class for each pixel, learnt from masks"),
    network!("labels", "net", "several labels for each picture, from a table"),
    network!("dials", "net", "numbers read off pictures, from a table"),
    network!("signals", "net", "classes of signals, from an array"),
    network!("volumes", "net", "classes of volumes, from an array"),
    network!("mnist_coffee", "net", "99.7 % of MNIST in minutes"),
    network!("mnist_fast", "net", "99 % of MNIST in seconds"),
    network!("mnist_small", "net", "99 % of MNIST with fewer than 10,000 parameters"),
    network!("mnist_minute", "net", "99.5 % of MNIST in a minute or two"),
    network!("alexnet", "model", "AlexNet, 2012"),
    network!("vgg11_bn", "model", "VGG-11 with batch norm for images of 32x32"),
    network!("vgg16", "model", "VGG-16, 2014"),
    network!("googlenet", "model", "GoogLeNet, 2015, nine inception blocks"),
    network!("inception_v3", "model", "Inception-v3, 2016, with an auxiliary head in training"),
    network!("resnet18", "model", "ResNet-18, 2016"),
    network!("resnet20", "model", "ResNet-20 for images of 32x32, 2016"),
    network!("resnet50", "model", "ResNet-50, 2016, with bottlenecks"),
    network!("squeezenet", "model", "SqueezeNet 1.1, 2016"),
    network!("densenet121", "model", "DenseNet-121, 2017"),
    network!("mobile", "model", "a small MobileNet for images of 32x32, 2017"),
    network!("mobilenet_v2", "model", "MobileNetV2, 2018"),
    network!("efficientnet_lite0", "model", "EfficientNet-Lite0, 2019, for small devices"),
    network!("efficientnet_b0", "model", "EfficientNet, 2019, with its width and depth as parameters"),
    network!("mobilenet_v3_small", "model", "MobileNetV3-Small, 2019"),
    network!("shufflenet_v2", "model", "ShuffleNetV2, 2018, half of whose channels pass by each unit"),
    network!("regnet_y_400mf", "model", "RegNetY-400MF, 2020"),
    network!("convnext_tiny", "model", "ConvNeXt-T, 2022, with norms over the channels"),
    network!("vit_tiny", "model", "ViT-Ti/16, 2021, a transformer over patches"),
    network!("mobilevit_xxs", "model", "MobileViT-XXS, 2022, convolutions and attention between patches"),
    network!("coatnet", "model", "a hybrid after CoAtNet-0, 2021, convolutions and then attention"),
    network!("deeplabv3_resnet50", "model", "DeepLabV3, 2017, a class for each pixel"),
    network!("unet", "model", "U-Net, 2015, from image to image"),
    network!("edges", "model", "the edges of a picture, by filters that need no training"),
];
